// RFC 9580 §5.13.2, undone chunk by chunk with node:crypto.

import assert from 'node:assert/strict';
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Aead } from '../../src/openpgp/algorithms.ts';
import { SALT_BYTES, Seipd2 } from '../../src/openpgp/seipd2.ts';
import { BYTE_BY_BYTE, type Cut, lend, noise, someCut, WHOLE } from '../support/chunks.ts';
import { isLong } from '../support/long.ts';

const CHUNK_OCTET = 12;
const CHUNK = 2 ** (CHUNK_OCTET + 6);
const SIZES = [1, 15, 16, 17, 8384, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1];
const SALT = Buffer.alloc(SALT_BYTES, 0x5a);
const MODES = {
  ocb: { id: 2, nonceBytes: 15 },
  gcm: { id: 3, nonceBytes: 12 },
} as const;
const AES = { 16: 7, 24: 8, 32: 9 } as const;

interface Kind {
  aead: Aead;
  keyBytes: keyof typeof AES;
}
const KINDS: readonly Kind[] = (['ocb', 'gcm'] as const).flatMap((aead) =>
  ([16, 24, 32] as const).map((keyBytes) => ({ aead, keyBytes })),
);

function sealed(packets: Buffer, lengths: Cut, { aead, keyBytes }: Kind): Buffer {
  const layer = new Seipd2(noise(keyBytes), aead, SALT);
  const out: Buffer[] = [];
  lend(packets, lengths, (piece) => out.push(...layer.update(piece)));
  out.push(...layer.final());
  return Buffer.concat(out);
}

/** Throws when a tag is wrong. */
function opened(body: Buffer, { aead, keyBytes }: Kind): Buffer {
  const info = Buffer.of(0xd2, 2, AES[keyBytes], MODES[aead].id, CHUNK_OCTET);
  assert.ok(body.subarray(0, 4).equals(info.subarray(1)), 'version, cipher, mode, chunk size');
  assert.ok(body.subarray(4, 36).equals(SALT));
  const { nonceBytes } = MODES[aead];
  const derived = Buffer.from(hkdfSync('sha256', noise(keyBytes), SALT, info, keyBytes + nonceBytes - 8));
  const chunk = (index: number, sealedChunk: Buffer, associated: Buffer) => {
    const nonce = Buffer.alloc(nonceBytes);
    nonce.set(derived.subarray(keyBytes));
    nonce.writeBigUInt64BE(BigInt(index), nonceBytes - 8);
    const name = `aes-${keyBytes * 8}-${aead}` as 'aes-256-gcm';
    const decipher = createDecipheriv(name, derived.subarray(0, keyBytes), nonce, { authTagLength: 16 });
    decipher.setAAD(associated);
    decipher.setAuthTag(sealedChunk.subarray(-16));
    return Buffer.concat([decipher.update(sealedChunk.subarray(0, -16)), decipher.final()]);
  };
  const chunks: Buffer[] = [];
  const end = body.length - 16;
  for (let at = 36; at < end; at += CHUNK + 16)
    chunks.push(chunk(chunks.length, body.subarray(at, Math.min(at + CHUNK + 16, end)), info));
  const plain = Buffer.concat(chunks);
  const total = Buffer.alloc(8);
  total.writeBigUInt64BE(BigInt(plain.length));
  chunk(chunks.length, body.subarray(end), Buffer.concat([info, total]));
  return plain;
}

for (const kind of KINDS) {
  test(`aes-${kind.keyBytes * 8}-${kind.aead}: every chunk and the last tag verify, at every size`, () => {
    for (const size of SIZES)
      assert.ok(opened(sealed(noise(size), WHOLE, kind), kind).equals(noise(size)), `${size} bytes`);
  });
}

test('the body is the same whole, byte by byte and however the packets are cut', () => {
  for (const aead of ['ocb', 'gcm'] as const) {
    const kind: Kind = { aead, keyBytes: 32 };
    for (const size of [1, 17, CHUNK, CHUNK + 1])
      assert.ok(sealed(noise(size), BYTE_BY_BYTE, kind).equals(sealed(noise(size), WHOLE, kind)), `${size}`);
    fc.assert(
      fc.property(fc.constantFrom(...SIZES), someCut, (size, lengths) => {
        assert.ok(sealed(noise(size), lengths, kind).equals(sealed(noise(size), WHOLE, kind)));
      }),
      { numRuns: isLong ? 25 : 8 },
    );
  }
});

test('packets that fill the last chunk exactly are followed by no empty chunk', () => {
  for (const chunks of [1, 2]) {
    const body = sealed(noise(chunks * CHUNK), WHOLE, { aead: 'gcm', keyBytes: 32 });
    assert.equal(body.length, 36 + chunks * (CHUNK + 16) + 16);
  }
});

test('a salt or a session key of the wrong length is refused', () => {
  for (const length of [0, 16, 31, 33])
    assert.throws(() => new Seipd2(noise(32), 'gcm', noise(length)), RangeError, `salt of ${length}`);
  for (const length of [0, 8, 31, 33])
    assert.throws(() => new Seipd2(noise(length), 'gcm', SALT), RangeError, `key of ${length}`);
});
