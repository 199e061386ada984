// What a Postfix on the same machine does with mail for us, read from its own configuration by its own
// program.

import assert from 'node:assert/strict';
import { chmod, cp, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import {
  type CheckedSite,
  findingsOf,
  makeCheckedSite,
  needsUsers,
  SERVER_UID,
} from '../support/checking.ts';
import { shortOf, testLong } from '../support/long.ts';
import { hasProgram, needs, programPath } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const LMTP = 'lmtp unix - - n - - lmtp';
const FITTING = { message_size_limit: '1000000', lmtp_line_length_limit: '0', mail_owner: 'nobody' };

async function checkBeside(site: CheckedSite, main: Readonly<Record<string, string>>, master: string) {
  await mkdir(site.at('postfix'));
  const settings = Object.entries({ ...FITTING, ...main }).map(([name, value]) => `${name} = ${value}\n`);
  await writeFile(site.at('postfix/main.cf'), `compatibility_level = 3.6\n${settings.join('')}`);
  await writeFile(site.at('postfix/master.cf'), `${master}\n`);
  const found = await site.check({ env: { MAIL_CONFIG: site.at('postfix') } });
  await site.remove();
  return found;
}

const available = hasProgram('postconf') ? needsUsers() : needs('postconf');

describe('check, beside a Postfix', available, () => {
  let site: CheckedSite;
  let certificate = '';

  before(async () => {
    ({ certificate } = await makeKey(ALICE));
  });
  const fresh = async (lmtp: string) => {
    site = await makeCheckedSite({ [ALICE]: certificate });
    await site.configure({ lmtp });
  };
  const onSocket = (mode: string) => `listen = ["${site.at('run/lmtp.sock')}"]\nsocket_mode = "${mode}"`;

  test('that sends to a TCP port what we take, nothing is found', async () => {
    await fresh('listen = ["127.0.0.1:0"]');
    const { code, text } = await checkBeside(site, {}, LMTP);
    assert.equal(code, 0, text);
  });

  testLong("that runs `sealdir deliver`, what its LMTP client would do is nobody's trouble", async () => {
    await fresh('listen = ["127.0.0.1:0"]');
    await site.configure({ lmtp: onSocket('0660') });
    const pipe = await readFile(join(repositoryRoot(), 'config/postfix/pipe.master.cf'), 'utf8');
    const main = { mail_owner: 'daemon', lmtp_line_length_limit: '998', lmtp_data_done_timeout: '4m' };
    const { text } = await checkBeside(site, { ...main, virtual_transport: 'sealdir:' }, `${LMTP}\n${pipe}`);
    assert.doesNotMatch(text, /Postfix/);
  });

  testLong('larger messages and folded lines are warnings', async () => {
    await fresh('listen = ["127.0.0.1:0"]\nmax_message_size = "1MB"');
    const main = { message_size_limit: '0', lmtp_line_length_limit: '998' };
    const { code, text } = await checkBeside(site, main, LMTP);
    assert.match(
      text,
      /warning: Postfix accepts messages of any size, Sealdir only 1000000: the larger ones bounce/,
    );
    assert.match(
      text,
      /warning: Postfix folds lines over 998 bytes .*\n.*\n +fix: postconf -e lmtp_line_length_limit=0/,
    );
    assert.equal(code, 1);
  });

  testLong('a socket that its user cannot connect to is a warning that names the group', async () => {
    await fresh('listen = ["127.0.0.1:0"]');
    await site.configure({ lmtp: onSocket('0660') });
    const { code, text } = await checkBeside(site, {}, LMTP);
    assert.match(
      text,
      /warning: lmtp\.listen: Postfix delivers as user nobody, to whom \S+lmtp\.sock is closed/,
    );
    assert.match(text, /fix: make nobody a member of the group with gid 47110 \(usermod -aG\)/);
    assert.equal(code, 1);
  });

  testLong(
    'a socket in a directory that its user cannot pass is a warning that names the directory',
    async () => {
      await fresh('listen = ["127.0.0.1:0"]');
      await site.configure({ lmtp: onSocket('0660') });
      await chmod(site.at('run'), 0o700);
      const { text } = await checkBeside(site, {}, LMTP);
      assert.match(text, /warning: lmtp\.listen: Postfix delivers as user nobody, to whom \S+run is closed/);
    },
  );

  testLong('a socket outside of the chroot it delivers from is a warning', async () => {
    await fresh('listen = ["127.0.0.1:0"]');
    await site.configure({ lmtp: onSocket('0660') });
    const { text } = await checkBeside(site, { mail_owner: 'nobody' }, 'lmtp unix - - y - - lmtp');
    assert.match(
      text,
      /warning: lmtp\.listen: Postfix delivers from a chroot, in which there is no \S+lmtp\.sock/,
    );
  });

  /** Settings that hurt, and what a shell that runs the fix makes of them; `null`: it is told in words. */
  const CASES: readonly (readonly [string, Readonly<Record<string, string>>, string, string | null])[] = [
    [
      'postfix-elsewhere',
      { virtual_transport: 'virtual' },
      LMTP,
      "postconf -e virtual_transport='lmtp:unix:",
    ],
    ['postfix-size', { message_size_limit: '99000000' }, LMTP, 'postconf -e message_size_limit=52428800'],
    ['postfix-lines', { lmtp_line_length_limit: '998' }, LMTP, 'postconf -e lmtp_line_length_limit=0'],
    [
      'postfix-8bit',
      { lmtp_discard_lhlo_keywords: 'DSN, 8BITMIME' },
      LMTP,
      "postconf -e lmtp_discard_lhlo_keywords='dsn'",
    ],
    ['postfix-timeout', { lmtp_data_done_timeout: '4m' }, LMTP, 'postconf -e lmtp_data_done_timeout=300s'],
    [
      'postfix-verify-cache',
      { smtpd_recipient_restrictions: 'reject_unverified_recipient' },
      LMTP,
      'postconf -e address_verify_negative_cache=no',
    ],
    ['postfix-delimiter', { recipient_delimiter: '+=' }, LMTP, null],
    ['postfix-chroot', {}, 'lmtp unix - - y - - lmtp', 'postconf -F lmtp/unix/chroot=n && postfix reload'],
    [
      'postfix-chroot',
      { virtual_transport: 'sealing:unix:SOCKET' },
      `${LMTP}\nsealing unix - - y - - lmtp`,
      'postconf -F sealing/unix/chroot=n && postfix reload',
    ],
    ['postfix-closed', { mail_owner: 'daemon' }, LMTP, 'usermod -aG sealers daemon && postfix reload'],
  ];

  for (const [id, main, master, fix] of shortOf(CASES, 1))
    test(`${id} is found, and mended by its fix (${fix ?? 'in words'})`, async () => {
      await fresh('listen = ["127.0.0.1:0"]');
      await site.configure({ lmtp: onSocket('0660') });
      const socket = site.at('run/lmtp.sock');
      // a directory of users that the fix may change, seen by these commands alone
      await cp('/etc', site.at('etc'), { recursive: true, verbatimSymlinks: true, filter: isPlain });
      await run('sh', ['-c', `echo 'sealers:x:${SERVER_UID}:nobody' >> ${site.at('etc/group')}`]);
      const within = [
        'unshare',
        '-m',
        'sh',
        '-c',
        'mount --bind "$1" /etc && shift && exec "$@"',
        'sh',
        site.at('etc'),
      ];
      await mkdir(site.at('postfix'));
      const all = { ...FITTING, virtual_transport: `lmtp:unix:${socket}`, ...main };
      const lines = Object.entries(all).map(
        ([name, value]) => `${name} = ${value.replace('SOCKET', socket)}\n`,
      );
      await writeFile(site.at('postfix/main.cf'), `compatibility_level = 3.6\n${lines.join('')}`);
      await writeFile(site.at('postfix/master.cf'), `${master}\n`);
      // there is no running Postfix that could read its configuration again
      await writeFile(site.at('bin/postfix'), '#!/bin/sh\n[ "$1" = reload ]\n', { mode: 0o755 });
      await writeFile(site.at('bin/postconf'), `#!/bin/sh\nexec ${programPath('postconf')} "$@"\n`, {
        mode: 0o755,
      });
      const env = { ...site.withoutPostfix, MAIL_CONFIG: site.at('postfix') };
      const found = await findingsOf(site, { env, within });
      assert.deepEqual(
        found.map((each) => each.id),
        [id],
        JSON.stringify(found),
      );
      const [{ fix: told, command } = { fix: '', command: '' }] = found;
      if (fix === null) {
        assert.equal(told, 'set recipients.delimiter to "+="');
        await site.configure({ lmtp: onSocket('0660'), recipients: 'delimiter = "+="' });
      } else {
        assert.ok(command?.startsWith(fix), told);
        const [program = '', ...args] = [...within, 'sh', '-ec', told];
        const { code, stderr } = await run(program, args, { env });
        assert.equal(code, 0, stderr.toString());
      }
      const after = await findingsOf(site, { env, within });
      await site.remove();
      assert.deepEqual(after, []);
    });
});

/** Leaves out what cannot be copied. */
async function isPlain(path: string): Promise<boolean> {
  const stats = await lstat(path);
  return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink();
}
