// Private keys of Montgomery curves from their bare bytes, the same on every version of Node that we run on.

import assert from 'node:assert/strict';
import { createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { importPrivateKey } from '../../src/openpgp/privatekey.ts';

for (const [curve, bytes] of [
  ['X25519', 32],
  ['X448', 56],
] as const) {
  test(`an ${curve} key that is imported from its ${bytes} bytes is the key they are of`, () => {
    const make = () =>
      curve === 'X25519' ? generateKeyPairSync('x25519', {}) : generateKeyPairSync('x448', {});
    const [own, other] = [make(), make()];
    const bare = own.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-bytes);
    const imported = importPrivateKey(curve, bare);
    assert.ok(createPublicKey(imported).equals(own.publicKey));
    const { publicKey } = other;
    assert.deepEqual(
      diffieHellman({ privateKey: imported, publicKey }),
      diffieHellman({ privateKey: own.privateKey, publicKey }),
    );
    // what a packet shows of it
    const { x = '' } = imported.export({ format: 'jwk' });
    const exported = own.publicKey.export({ format: 'der', type: 'spki' });
    assert.deepEqual(Buffer.from(x, 'base64url'), exported.subarray(-bytes));
  });
}
