// RFC 9580 §5.13.1, undone step by step with node:crypto.

import assert from 'node:assert/strict';
import { createDecipheriv, createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Seipd1 } from '../../src/openpgp/seipd1.ts';
import { BYTE_BY_BYTE, type Cut, lend, noise, someCut, WHOLE } from '../support/chunks.ts';

const SIZES = [0, 1, 15, 16, 17, 191, 8384, 65_535, 65_536, 65_537, 131_073];
const PREFIX = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

function sealed(packets: Buffer, lengths: Cut, keyBytes: number): Buffer {
  const layer = new Seipd1(noise(keyBytes), PREFIX);
  const out: Buffer[] = [];
  lend(packets, lengths, (piece) => out.push(...layer.update(piece)));
  out.push(...layer.final());
  return Buffer.concat(out);
}

for (const keyBytes of [16, 24, 32]) {
  test(`aes-${keyBytes * 8}: version 1, then prefix, its last two bytes again, packets and MDC in CFB`, () => {
    for (const size of SIZES) {
      const body = sealed(noise(size), WHOLE, keyBytes);
      assert.equal(body[0], 1);
      const decipher = createDecipheriv(`aes-${keyBytes * 8}-cfb`, noise(keyBytes), Buffer.alloc(16));
      const plain = Buffer.concat([decipher.update(body.subarray(1)), decipher.final()]);
      assert.ok(plain.subarray(0, 18).equals(Buffer.concat([PREFIX, Buffer.of(0x0e, 0x0f)])));
      assert.ok(plain.subarray(18, -22).equals(noise(size)));
      assert.equal(plain.subarray(-22, -20).toString('hex'), 'd314');
      const digest = createHash('sha1').update(plain.subarray(0, -20)).digest();
      assert.ok(plain.subarray(-20).equals(digest), `${size} bytes`);
    }
  });
}

test('the body is the same whole, byte by byte and however the packets are cut', () => {
  for (const size of SIZES)
    assert.ok(sealed(noise(size), BYTE_BY_BYTE, 32).equals(sealed(noise(size), WHOLE, 32)), `${size} bytes`);
  fc.assert(
    fc.property(fc.constantFrom(...SIZES), someCut, (size, lengths) => {
      assert.ok(sealed(noise(size), lengths, 16).equals(sealed(noise(size), WHOLE, 16)));
    }),
    { numRuns: 60 },
  );
});

test('a prefix that is not one cipher block is refused', () => {
  for (const length of [0, 15, 17, 18])
    assert.throws(() => new Seipd1(noise(32), noise(length)), RangeError, `${length} bytes`);
});

test('a session key of no AES length is refused', () => {
  for (const length of [0, 8, 31, 33]) assert.throws(() => new Seipd1(noise(length), PREFIX));
});
