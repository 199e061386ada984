// What a Dovecot around the gateway does to what the gateway promises, read from its own configuration by its
// own program. What `check` says under "fix" is run by a shell, and then nothing is found.

import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { FindingId } from '../../src/check/catalogue.ts';
import { dovecotLine } from '../../src/custody/upstream.ts';
import { textOf, type WrappedFile } from '../../src/custody/wrappedfile.ts';
import {
  type CheckedSite,
  findingsIn,
  type JsonFinding,
  makeCheckedSite,
  needsUsers,
} from '../support/checking.ts';
import { DOVECOT_VERSIONS, type DovecotVersion, needsDovecot } from '../support/dovecot.ts';
import { shortOf, testLong } from '../support/long.ts';
import { shipped } from '../support/mailhost.ts';
import { programPath } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey } from '../support/testkeys.ts';
import { usualEnrolled } from '../support/wrapped.ts';

const ALICE = 'alice@example.com';
const GATEWAY_PORT = 1144;

/** `doveconf` of 2.4, in its root. */
const IN_ROOT = `#!/bin/sh
root=${join(repositoryRoot(), 'var/dovecot24')}
exec unshare --mount --propagation private sh -ec '
  root=$1 && shift
  mkdir -p "$root${tmpdir()}"
  for each in /dev /proc /etc/passwd /etc/group ${tmpdir()}; do mount --bind "$each" "$root$each"; done
  exec chroot "$root" /usr/bin/doveconf "$@"' sh "$root" "$@"
`;
const VERSIONS = {
  '2.3': { head: '', program: () => `#!/bin/sh\nexec ${programPath('doveconf')} "$@"\n` },
  '2.4': {
    head: 'dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n',
    program: () => IN_ROOT,
  },
} as const;

interface Case {
  readonly name: string;
  /** Lines of the configuration; DIR is the directory of the site. */
  readonly lines: Readonly<Record<DovecotVersion, string>>;
  readonly files?: (file: WrappedFile) => Readonly<Record<string, string>>;
  readonly finds: readonly FindingId[];
  /** What is left of them after the commands: those that are mended in words. */
  readonly leaves?: readonly FindingId[];
}

const imapPassdb = {
  '2.3': `passdb {\n driver = imap\n args = host=127.0.0.1 port=${GATEWAY_PORT}\n}\n`,
  '2.4': `passdb imap {\n imapc_host = 127.0.0.1\n imapc_port = ${GATEWAY_PORT}\n}\n`,
};
const listPassdb = (name: string, format = '%u') => ({
  '2.3': `passdb {\n driver = passwd-file\n args = username_format=${format} DIR/${name}\n}\n`,
  '2.4': `passdb passwd-file {\n passwd_file_path = DIR/${name}\n${format === '%n' ? ' auth_username_format = %{user | username}\n' : ''}}\n`,
});
const both = (add: (version: DovecotVersion) => string) => ({ '2.3': add('2.3'), '2.4': add('2.4') });
const front = {
  '2.3': `mail_location = imapc:~/imapc\nimapc_host = 127.0.0.1\nimapc_port = ${GATEWAY_PORT}\n`,
  '2.4': `mail_driver = imapc\nmail_path = ~/imapc\nimapc_host = 127.0.0.1\nimapc_port = ${GATEWAY_PORT}\n`,
};

const CASES: readonly Case[] = [
  {
    name: 'a list with a hash for a user who has a wrapped key',
    lines: listPassdb('users'),
    files: (file) => ({
      users: `bob@example.com:{PLAIN}x\n${dovecotLine(file)}\nAlice@example.com:{SHA512-CRYPT}$6$x$y::::\n`,
    }),
    finds: ['second-hash'],
  },
  {
    name: 'a list with the names before the @ alone',
    lines: listPassdb('users', '%n'),
    files: () => ({ users: 'alice:{PLAIN}x\nalice2:{PLAIN}x\n' }),
    finds: ['second-hash'],
  },
  {
    name: 'a list that says who exists, too',
    lines: {
      '2.3': `${listPassdb('users')['2.3']}userdb {\n driver = passwd-file\n args = username_format=%u DIR/users\n}\n`,
      '2.4': `${listPassdb('users')['2.4']}userdb passwd-file {\n passwd_file_path = DIR/users\n}\n`,
    },
    files: () => ({ users: `${ALICE}:{PLAIN}x:1000:1000::/home/alice\n` }),
    finds: ['second-hash'],
  },
  {
    name: 'the list of the gateway, a gate and the gateway',
    lines: both((version) => `${listPassdb('list')[version]}${imapPassdb[version]}`),
    files: (file) => ({ list: `${dovecotLine(file)}\n` }),
    finds: [],
  },
  {
    name: 'passwords of the system',
    lines: { '2.3': 'passdb {\n driver = pam\n}\n', '2.4': 'passdb pam {\n}\n' },
    finds: ['second-hash-unseen'],
    leaves: ['second-hash-unseen'],
  },
  {
    name: 'a cache of what the gateway says, and passwords in the log',
    lines: both((version) => `${imapPassdb[version]}auth_cache_size = 10M\nauth_verbose_passwords = sha1\n`),
    finds: ['password-cache', 'password-log'],
  },
  {
    name: 'a cache of what others say',
    lines: both(() => 'auth_cache_size = 10M\n'),
    finds: [],
  },
  {
    name: 'a Dovecot before the gateway, with what is at its default',
    lines: front,
    finds: ['plaintext-index', 'plaintext-temporary'],
  },
  {
    name: 'a Dovecot before the gateway with everything in memory',
    lines: {
      '2.3': `${front['2.3'].replace('~/imapc', '/tmp/imapc:INDEX=MEMORY')}mail_temp_dir = /dev/shm/dovecot\n`,
      '2.4': `${front['2.4']}mail_index_path = MEMORY\nmail_temp_dir = /dev/shm/dovecot\n`,
    },
    finds: [],
  },
  {
    name: 'a Dovecot before another server',
    lines: both((version) => front[version].replace(`${GATEWAY_PORT}`, '143')),
    finds: [],
  },
  {
    name: 'full text search behind the gateway',
    lines: { '2.3': 'mail_plugins = fts fts_x\n', '2.4': 'mail_plugins = fts\n' },
    finds: ['plaintext-search'],
    leaves: ['plaintext-search'],
  },
  {
    name: 'a configuration with a mistake in it',
    lines: both(() => 'passdb {\n'),
    finds: ['dovecot-unread'],
    leaves: ['dovecot-unread'],
  },
];

/** Those of `check` as root, which is told that it is. */
async function found(site: CheckedSite, uid = 0): Promise<readonly JsonFinding[]> {
  const { stdout, stderr } = await site.as(uid, 'check', '--json');
  assert.ok(stdout.length > 0, stderr);
  return findingsIn(stdout).filter(({ id }) => id !== 'process-root');
}

for (const version of DOVECOT_VERSIONS) {
  const { skip } = await needsDovecot(version, 'root');
  describe(`check, around a Dovecot ${version}`, skip === false ? needsUsers() : { skip }, () => {
    let certificate = '';
    before(async () => {
      ({ certificate } = await makeKey(ALICE));
    });

    const arrange = async ({ lines, files }: Pick<Case, 'lines' | 'files'>) => {
      const site = await makeCheckedSite({ [ALICE]: certificate });
      const { file } = await usualEnrolled();
      await mkdir(site.at('gateway'), { mode: 0o700 });
      await writeFile(site.at('gateway', ALICE), textOf(file), { mode: 0o600 });
      for (const [name, text] of Object.entries(files?.(file) ?? {}))
        await writeFile(site.at(name), text, { mode: 0o600 });
      const written = `${VERSIONS[version].head}${lines[version].replaceAll('DIR', site.directory)}`;
      await writeFile(site.at('dovecot.conf'), written);
      await writeFile(site.at('bin/doveconf'), VERSIONS[version].program());
      await chmod(site.at('bin/doveconf'), 0o755);
      await site.configure({
        gateway: `directory = "${site.at('gateway')}"
dovecot = ["${site.at('dovecot.conf')}", "${site.at('none.conf')}"]
listen = ["tls://127.0.0.1:10993", "127.0.0.1:${GATEWAY_PORT}"]`,
      });
      return site;
    };

    for (const each of shortOf(CASES, 3))
      test(`${each.name}: ${each.finds.join(', ') || 'nothing'}`, async () => {
        const site = await arrange(each);
        try {
          const findings = await found(site);
          assert.deepEqual(
            findings.map(({ id }) => id),
            each.finds,
          );
          for (const { command } of findings)
            if (command !== null) assert.equal((await run('sh', ['-ec', command])).code, 0, command);
          const after = (await found(site)).map(({ id }) => id);
          assert.deepEqual(after, each.leaves ?? []);
        } finally {
          await site.remove();
        }
      });

    testLong('nobody else is taken out of a list', async () => {
      const [first, , third] = CASES;
      assert.ok(first !== undefined && third !== undefined);
      const { file } = await usualEnrolled();
      for (const [each, left] of [
        [first, `bob@example.com:{PLAIN}x\n${dovecotLine(file)}\n`],
        [third, `${ALICE}::1000:1000::/home/alice\n`],
      ] as const) {
        const site = await arrange(each);
        for (const { command } of await found(site)) await run('sh', ['-ec', command ?? 'false']);
        assert.equal(await readFile(site.at('users'), 'utf8'), left);
        await site.remove();
      }
    });

    test('with the files of config/, and a user who has not enrolled, there is nothing to find', async () => {
      const suffix = version === '2.3' ? '' : '-2.4';
      const names = ['dovecot/sealdir', 'dovecot/gateway', 'example/dovecot', 'dovecot/logins'];
      const text = names
        .map((name) => shipped(`${name}${suffix}.conf`))
        .join('\n')
        .replaceAll('/etc/dovecot/', 'DIR/')
        .replaceAll(/^ssl_.*$/gm, '')
        .replaceAll(/^ *(mail_)?[ug]id = sealdir$/gm, '')
        .replaceAll('uid=sealdir gid=sealdir', 'uid=8 gid=8');
      const site = await arrange({
        lines: { '2.3': text, '2.4': text },
        files: (file) => ({
          'sealdir-gateway.passwd': `${dovecotLine(file)}\n`,
          'sealdir-gateway.ports': '1143:::::::nopassword\n',
          users: 'bob@example.com:{BLF-CRYPT}$2y$05$x\n',
        }),
      });
      const { code, stderr } = await run(site.at('bin/doveconf'), ['-n', '-c', site.at('dovecot.conf')]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await found(site), []);
      await site.remove();
    });

    testLong('whoever may not read the lists is told so', async () => {
      if (version === '2.4') return; // only root may enter the root that it is in here
      const [first] = CASES;
      assert.ok(first !== undefined);
      const site = await arrange(first);
      const findings = await found(site, 47110);
      assert.deepEqual(
        findings.map(({ id, fix }) => [id, fix]),
        [['second-hash-unseen', 'run sealdir check as root, which may read it']],
      );
      await rm(site.at('gateway'), { recursive: true });
      assert.deepEqual(await found(site), []);
      await site.remove();
    });
  });
}
