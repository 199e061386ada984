// Our session-key packets are read by openpgp.js for each kind of key, and give back the key that went in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as openpgp from 'openpgp';
import { recipientKeyOf } from '../../src/keys/material.ts';
import { sessionKeyEncryptor } from '../../src/openpgp/pkesk.ts';
import { isLong } from '../support/long.ts';

type Generate = Parameters<typeof openpgp.generateKey>[0];

const KINDS: Record<string, { options: Partial<Generate>; v6?: boolean }> = {
  'Curve25519 v4': { options: { type: 'ecc' } },
  'NIST P-256 v4': { options: { type: 'ecc', curve: 'nistP256' } },
  'NIST P-384 v4': { options: { type: 'ecc', curve: 'nistP384' } },
  'NIST P-521 v4': { options: { type: 'ecc', curve: 'nistP521' } },
  'RSA v4': { options: { type: 'rsa', rsaBits: 2048 } },
  'Brainpool P-256 v4': { options: { type: 'ecc', curve: 'brainpoolP256r1' } },
  'Brainpool P-384 v4': { options: { type: 'ecc', curve: 'brainpoolP384r1' } },
  'Brainpool P-512 v4': { options: { type: 'ecc', curve: 'brainpoolP512r1' } },
  'X448 v4': { options: { type: 'curve448' } },
  'X448 v6': { options: { type: 'curve448' }, v6: true },
  'X25519 v4': { options: { type: 'curve25519' } },
  'X25519 v6': { options: { type: 'curve25519' }, v6: true },
  'NIST P-256 v6': { options: { type: 'ecc', curve: 'nistP256' }, v6: true },
  'RSA v6': { options: { type: 'rsa', rsaBits: 2048 }, v6: true },
};
// openpgp.js opens only what the key lists, and these are what it lists in keys it makes
const CIPHERS = [
  { id: 7, bytes: 16, name: 'aes128' },
  { id: 9, bytes: 32, name: 'aes256' },
] as const;

for (const [kind, { options, v6 = false }] of Object.entries(KINDS)) {
  const pair = await openpgp.generateKey({
    ...options,
    userIDs: [{ email: 'alice@example.com' }],
    format: 'object',
    config: { v6Keys: v6 },
  });
  const { keyPacket } = await pair.publicKey.getEncryptionKey();
  const recipient = recipientKeyOf(keyPacket);

  test(`${kind}: any session key comes back from our packet, v3 and v6`, async () => {
    assert.ok(recipient);
    const encrypt = sessionKeyEncryptor(recipient);
    const sessionKey = fc.constantFrom(...CIPHERS).chain(({ id, bytes, name }) =>
      fc.record({
        id: fc.constant(id),
        name: fc.constant(name),
        key: fc.uint8Array({ minLength: bytes, maxLength: bytes }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        sessionKey,
        fc.constantFrom(3 as const, 6 as const),
        async ({ id, name, key }, packetVersion) => {
          const packet = encrypt({ packetVersion, cipher: id, key });
          const [opened] = await open(packet, packetVersion, pair.privateKey);
          assert.deepEqual(Buffer.from(opened?.data ?? []), Buffer.from(key));
          if (packetVersion === 3) assert.equal(opened?.algorithm, name);
        },
      ),
      { numRuns: isLong ? 20 : 6 },
    );
  });

  test(`${kind}: two packets for the same session key differ`, () => {
    assert.ok(recipient);
    const encrypt = sessionKeyEncryptor(recipient);
    const session = { packetVersion: 3, cipher: 9, key: Buffer.alloc(32, 7) } as const;
    assert.notDeepEqual(encrypt(session), encrypt(session));
  });
}

test('a kind of key that is not known is no key to encrypt to', async () => {
  const { publicKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'secp256k1',
    userIDs: [{ email: 'a@example.com' }],
    format: 'object',
    config: { rejectCurves: new Set() },
  });
  const { keyPacket } = await publicKey.getEncryptionKey(undefined, undefined, undefined, {
    ...openpgp.config,
    rejectCurves: new Set(),
  });
  assert.equal(recipientKeyOf(keyPacket), undefined);
  assert.equal(
    recipientKeyOf({ version: 4, algorithm: 18, getFingerprintBytes: () => Buffer.alloc(20) }),
    undefined,
  );
});

test('key material that is not what it says is refused when the key is read', () => {
  const fingerprint = Buffer.alloc(20);
  const point = Buffer.alloc(31);
  assert.throws(
    () => sessionKeyEncryptor({ version: 4, fingerprint, material: { kind: 'x25519', point } }),
    RangeError,
  );
});

/** The packet is followed by an empty SEIPD of the version that goes with it: the library looks at both. */
async function open(packet: Buffer, packetVersion: 3 | 6, key: openpgp.PrivateKey) {
  const seipd = packetVersion === 3 ? [1] : [2, 9, 2, 6, ...Buffer.alloc(32 + 16)];
  const binaryMessage = Buffer.concat([packet, Buffer.from([0xd2, seipd.length, ...seipd])]);
  const message = await openpgp.readMessage({ binaryMessage });
  return openpgp.decryptSessionKeys({ message, decryptionKeys: key });
}
