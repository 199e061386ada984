// Session keys are opened natively for each kind of key, and only with the right one; a packet that was
// changed in any way is none. The library is asked where the numbers of a key are not known here.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import * as openpgp from 'openpgp';
import { recipientKeyOf } from '../../src/keys/material.ts';
import { readSecretKeys } from '../../src/keys/secretfile.ts';
import { openByLibrary } from '../../src/keys/secretkeys.ts';
import { decryptingKeyOf } from '../../src/keys/secretnumbers.ts';
import { sessionKeyDecryptor } from '../../src/opening/decryptor.ts';
import { SecretOpener } from '../../src/opening/secretopener.ts';
import { readSealedHead } from '../../src/openpgp/openpkesk.ts';
import { readPacket } from '../../src/openpgp/packets.ts';
import { sessionKeyEncryptor } from '../../src/openpgp/pkesk.ts';
import { type CollectedKey, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { isLong, shortOf } from '../support/long.ts';

type Generate = Parameters<typeof openpgp.generateKey>[0];

const KINDS: Record<string, Partial<Generate>> = {
  Curve25519: { type: 'ecc' },
  'NIST P-256': { type: 'ecc', curve: 'nistP256' },
  'NIST P-384': { type: 'ecc', curve: 'nistP384' },
  'NIST P-521': { type: 'ecc', curve: 'nistP521' },
  'Brainpool P-512': { type: 'ecc', curve: 'brainpoolP512r1' },
  RSA: { type: 'rsa', rsaBits: 2048 },
  X25519: { type: 'curve25519' },
  X448: { type: 'curve448' },
};
const KEY = Buffer.alloc(32, 'session');
const CIPHERS = [
  [7, 16],
  [8, 24],
  [9, 32],
] as const;

const session = fc.constantFrom(...CIPHERS).chain(([cipher, bytes]) =>
  fc.record({
    cipher: fc.constant(cipher),
    key: fc.uint8Array({ minLength: bytes, maxLength: bytes }),
    packetVersion: fc.constantFrom(3 as const, 6 as const),
  }),
);

/** Makes the last key of a fresh pair, which is the one for encryption. */
async function decrypting(options: Partial<Generate>) {
  const { privateKey } = await openpgp.generateKey({
    ...options,
    userIDs: [{ email: 'alice@example.com' }],
    format: 'binary',
  });
  const keys = await readSecretKeys(privateKey as unknown as Uint8Array);
  const key = decryptingKeyOf(keys.packets.at(-1) ?? assert.fail());
  assert.ok(key, 'known natively');
  return { keys, key, decrypt: sessionKeyDecryptor(key), encrypt: sessionKeyEncryptor(key.key) };
}

function bodyOf(packet: Buffer): Buffer {
  return Buffer.from(readPacket(packet, 0)?.packet.body ?? assert.fail());
}

const opened = (decrypt: ReturnType<typeof sessionKeyDecryptor>, body: Buffer) =>
  decrypt(readSealedHead(body) ?? assert.fail(), body);

for (const [kind, options] of shortOf(Object.entries(KINDS), 5))
  test(`${kind}: a session key is opened with its key and with no other, v3 and v6`, async () => {
    const [own, other] = [await decrypting(options), await decrypting(options)];
    await fc.assert(
      fc.asyncProperty(session, async ({ cipher, key, packetVersion }) => {
        const body = bodyOf(own.encrypt({ packetVersion, cipher, key }));
        const found = opened(own.decrypt, body);
        assert.deepEqual(found && Buffer.from(found.key), Buffer.from(key));
        assert.equal(found?.cipher, packetVersion === 3 ? cipher : undefined);
        assert.equal(opened(other.decrypt, body), undefined);
      }),
      { numRuns: isLong ? 100 : 5 },
    );
  });

for (const kind of shortOf(['Curve25519', 'NIST P-256', 'RSA', 'X25519'], 1))
  test(`${kind}: no packet with one changed bit has a session key`, async () => {
    const { keys, encrypt } = await decrypting(KINDS[kind] ?? {});
    const opener = new SecretOpener(keys, async () => undefined);
    for (const packetVersion of [3, 6] as const) {
      const body = bodyOf(encrypt({ packetVersion, cipher: 9, key: Buffer.alloc(32, 'key') }));
      assert.equal((await opener.sessionKeyOf([body])).key.length, 32);
      for (let bit = 0; bit < body.length * 8; bit += isLong ? 1 : 13) {
        const changed = Buffer.from(body);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await assert.rejects(opener.sessionKeyOf([changed]), `v${packetVersion}, bit ${bit}`);
      }
    }
  });

test('closing erases the numbers of the keys', async () => {
  const { keys, key, encrypt } = await decrypting(KINDS.Curve25519 ?? {});
  const opener = new SecretOpener(keys, async () => undefined);
  const body = bodyOf(encrypt({ packetVersion: 3, cipher: 9, key: Buffer.alloc(32, 1) }));
  assert.ok(await opener.sessionKeyOf([body]));
  opener.close();
  assert.ok(Object.values(key.secret).every((number) => number.every((byte) => byte === 0)));
  await assert.rejects(opener.sessionKeyOf([body]));
});

const collection = await openKeyCollection();

test('each key of the collection opens natively what openpgp.js opens with it', {
  ...needsKeyCollection(),
}, async (t) => {
  t.after(() => collection?.close());
  const keys = (collection?.keys ?? []).filter(
    ({ secretKeyFile, passphrase }) => secretKeyFile && !passphrase,
  );
  let native = 0;
  for (const each of shortOf(keys, 12)) native += await compare(each);
  assert.ok(native >= (isLong ? 60 : 8), `${native} keys`);
});

/** Resolves to the number of keys in a file that are known natively. */
async function compare({ name, secretKeyFile = '' }: CollectedKey): Promise<number> {
  const { packets } = await readSecretKeys(await readFile(secretKeyFile)).catch(() => ({ packets: [] }));
  let native = 0;
  for (const packet of packets) {
    const recipient = recipientKeyOf(packet);
    const key = decryptingKeyOf(packet);
    if (recipient === undefined || key === undefined) continue;
    native += 1;
    for (const packetVersion of [3, 6] as const) {
      const body = bodyOf(sessionKeyEncryptor(recipient)({ packetVersion, cipher: 9, key: KEY }));
      const found = opened(sessionKeyDecryptor(key), body);
      assert.ok(found && Buffer.from(found.key).equals(KEY), `${name}, v${packetVersion}`);
      const byLibrary = await openByLibrary(body, packet);
      assert.ok(byLibrary && Buffer.from(byLibrary.key).equals(KEY), `${name} by openpgp.js`);
    }
  }
  return native;
}
