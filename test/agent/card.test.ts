// `sealdir open --agent` with a key on a smartcard: a real gpg-agent asks for the PIN, and the card takes the
// padding away.

import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type AgentHome, openAgentHome } from '../support/agenthome.ts';
import { CLI } from '../support/child.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeSmartcard, type Smartcard } from '../support/smartcard.ts';

const MESSAGE = 'Subject: x\r\n\r\nhello\r\n';
const SOURCE = 6 * 2 ** 24; // the daemon of the card, in the numbers of libgpg-error

describe('sealdir open --agent, with a key on a smartcard', needs('gpg', 'gpgconf'), () => {
  let directory = '';
  let home: AgentHome;
  let card: Smartcard;
  let sealed: Buffer;
  const sealdir = (args: readonly string[], stdin: Uint8Array | string) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin, env: home.env });
  const open = (...more: string[]) => sealdir(['open', '--agent', '-k', 'certificate', ...more], sealed);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    home = await openAgentHome();
    card = await makeSmartcard('alice@example.com', home.path);
    await appendFile(join(home.path, 'gpg-agent.conf'), `${card.setting}\n`);
    await writeFile(join(directory, 'certificate'), card.certificate);
    sealed = (await sealdir(['seal', '-k', 'certificate'], MESSAGE)).stdout;
  });
  after(async () => {
    await home?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('opens mail once the PIN is entered', async () => {
    await home.answers({ passphrase: '123456' });
    const { code, stdout, stderr } = await open();
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), MESSAGE);
    assert.match(await home.asked(), /^GETPIN/m);
  });

  test('says that the PIN is wrong, or was not entered', async () => {
    await home.answers({ passphrase: '654321' });
    const wrong = await open();
    assert.equal(wrong.code, 65);
    assert.match(wrong.stderr, /: the PIN does not unlock the card with the secret key it needs\n$/);
    await home.answers('cancel');
    const cancelled = await open();
    assert.equal(cancelled.code, 65, cancelled.stderr);
    assert.match(cancelled.stderr, /: the passphrase or PIN of the secret key it needs was not entered\n$/);
  });

  test('takes the PIN from --passphrase-file', async () => {
    await writeFile(join(directory, 'pin'), '123456\n');
    await home.asked();
    const { code, stdout, stderr } = await open('--passphrase-file', 'pin');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), MESSAGE);
    assert.equal(await home.asked(), '');
  });

  for (const [what, number, words] of [
    ['is locked', 130, /: the card with the secret key it needs is locked: too many wrong PINs\n$/],
    ['was removed', 110, /: the card with the secret key it needs was removed\n$/],
    ['is faulty', 108, /: the card with the secret key it needs cannot be used\n$/],
  ] as const)
    test(`says that the card ${what}`, async () => {
      await card.says(`ERR ${SOURCE + number} whatever <SCD>`);
      try {
        const { code, stdout, stderr } = await open();
        assert.deepEqual([code, stdout.length], [65, 0]);
        assert.match(stderr, words);
      } finally {
        await card.says('');
      }
    });
});
