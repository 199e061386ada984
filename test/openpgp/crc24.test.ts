import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Crc24 } from '../../src/openpgp/crc24.ts';
import { lend, someCut } from '../support/chunks.ts';

/** RFC 9580 §6.1.1, a bit at a time. */
function bitwise(bytes: Uint8Array): string {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  return crc.toString(16).padStart(6, '0');
}

function sumOf(bytes: Buffer, lengths: readonly number[]): string {
  const crc = new Crc24();
  lend(bytes, lengths, (piece) => crc.update(piece));
  return crc.digest().toString('hex');
}

test('the sums of "" and "123456789" are the published ones (CRC-24/OPENPGP)', () => {
  assert.equal(sumOf(Buffer.alloc(0), [1]), 'b704ce');
  assert.equal(sumOf(Buffer.from('123456789'), [9]), '21cf02');
});

test('four bytes a step give what a bit at a time gives, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), someCut, (bytes, lengths) => {
      assert.equal(sumOf(Buffer.from(bytes), lengths), bitwise(bytes));
    }),
  );
});

test('a sum that begins with zeros still has three bytes', () => {
  // the CRC of a message followed by its own CRC is 0
  const message = Buffer.from('any message');
  const own = Buffer.from(bitwise(message), 'hex');
  assert.equal(sumOf(Buffer.concat([message, own]), [4]), '000000');
});
