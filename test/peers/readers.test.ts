// Independent readers: gpg, sq, sqop and rnp open what Sealdir stores for the common kinds of keys.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { GPG_KEY_KINDS, makeGpgKey } from '../support/gpgkey.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { armorOf, gpgDecrypt, rnpDecrypt, sqDecrypt, sqopDecrypt } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { startSealdir } from '../support/sealdir.ts';

const READERS = [gpgDecrypt, sqDecrypt, sqopDecrypt, rnpDecrypt];
// A message with bytes of every value, one with several partial lengths, and one that is empty.
const MESSAGES = [
  FIXTURES.find(({ name }) => name.startsWith('every byte'))?.bytes ?? Buffer.alloc(0),
  messageOfSize(300_000),
  Buffer.from('\r\n'),
];

describe('independent readers', needs('gpg', 'sq', 'sqop', 'rnp'), () => {
  for (const kind of GPG_KEY_KINDS) {
    test(`all open what is sealed to a ${kind} key`, { timeout: 60_000 }, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
      const key = await makeGpgKey({ kind, address: 'alice@example.com', directory });
      await assertReadable(key.certificate, key.secretKeyFile, READERS);
      await rm(directory, { recursive: true, force: true });
    });
  }

  test('gpg opens every key of the collection that it made itself', {
    ...needsKeyCollection(),
    timeout: 120_000,
  }, async () => {
    const collection = await openKeyCollection();
    assert.ok(collection);
    const mine = collection.keys.filter(
      (key) => key.madeBy === 'gpg2.2' && key.expectation === 'encrypt' && key.secretKeyFile !== undefined,
    );
    assert.ok(mine.length > 20);
    for (const key of mine) {
      const decrypt = (file: string, sealed: Uint8Array) =>
        gpgDecrypt(file, sealed, { passphrase: key.passphrase });
      await assertReadable(key.certificate, key.secretKeyFile ?? '', [decrypt]);
    }
    await collection.close();
  });
});

type Decrypt = (secretKeyFile: string, sealed: Uint8Array) => Promise<Buffer>;

async function assertReadable(certificate: Buffer, secretKeyFile: string, readers: readonly Decrypt[]) {
  const server = await startSealdir({ keys: { 'alice@example.com': certificate } });
  try {
    const session = await openSession(server.socketPath);
    for (const message of MESSAGES) {
      const { rcpt, final } = await deliver(session, { to: ['alice@example.com'], message });
      assert.match(final[0] ?? rcpt[0] ?? '', /^250 2\.0\.0 /, secretKeyFile);
      const sealed = armorOf(await server.stored('alice@example.com', server.outcomes().at(-1)?.file));
      for (const decrypt of readers) {
        const opened = await decrypt(secretKeyFile, sealed);
        assert.ok(
          opened.equals(message),
          `${decrypt.name} reads ${message.length} bytes with ${secretKeyFile}`,
        );
      }
    }
    await session.vanish();
  } finally {
    await server.stop();
  }
}
