// What a Postfix on the same machine does with mail for us, read from its own configuration by its own
// program.

import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { type CheckedSite, makeCheckedSite, needsUsers } from '../support/checking.ts';
import { hasProgram, needs } from '../support/peers.ts';
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

  test('larger messages and folded lines are warnings', async () => {
    await fresh('listen = ["127.0.0.1:0"]\nmax_message_size = "1MB"');
    const main = { message_size_limit: '0', lmtp_line_length_limit: '998' };
    const { code, text } = await checkBeside(site, main, LMTP);
    assert.match(
      text,
      /warning: Postfix accepts messages of any size, Sealdir only 1000000: the larger ones bounce/,
    );
    assert.match(
      text,
      /warning: Postfix folds lines over 998 bytes .*\n +fix: postconf -e lmtp_line_length_limit=0/,
    );
    assert.equal(code, 1);
  });

  test('a socket that its user cannot connect to is a warning that names the group', async () => {
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

  test('a socket in a directory that its user cannot pass is a warning that names the directory', async () => {
    await fresh('listen = ["127.0.0.1:0"]');
    await site.configure({ lmtp: onSocket('0660') });
    await chmod(site.at('run'), 0o700);
    const { text } = await checkBeside(site, {}, LMTP);
    assert.match(text, /warning: lmtp\.listen: Postfix delivers as user nobody, to whom \S+run is closed/);
  });

  test('a socket outside of the chroot it delivers from is a warning', async () => {
    await fresh('listen = ["127.0.0.1:0"]');
    await site.configure({ lmtp: onSocket('0660') });
    const { text } = await checkBeside(site, { mail_owner: 'nobody' }, 'lmtp unix - - y - - lmtp');
    assert.match(
      text,
      /warning: lmtp\.listen: Postfix delivers from a chroot, in which there is no \S+lmtp\.sock/,
    );
  });
});
