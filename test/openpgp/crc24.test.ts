import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CRC24_TABLE, encodeLines, LINE_BYTES, MAX_BYTES } from '../../src/openpgp/armorloop.ts';
import { CRC24_INIT, crc24 } from '../../src/openpgp/crc24.ts';
import { noise } from '../support/chunks.ts';
import { plainCrc24 } from '../support/crc24.ts';

const plain = (bytes: Uint8Array) => plainCrc24(bytes).readUIntBE(0, 3);

test('the sums of "" and "123456789" are the published ones (CRC-24/OPENPGP)', () => {
  assert.equal(crc24(CRC24_INIT, Buffer.alloc(0), CRC24_TABLE), 0xb704ce);
  assert.equal(crc24(CRC24_INIT, Buffer.from('123456789'), CRC24_TABLE), 0x21cf02);
});

test('a byte a step gives what a bit at a time gives, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
      const first = crc24(CRC24_INIT, bytes.subarray(0, at), CRC24_TABLE);
      assert.equal(crc24(first, bytes.subarray(at), CRC24_TABLE), plain(bytes));
    }),
  );
});

test('sixteen bytes a step, in WebAssembly, give the same for any whole number of lines', () => {
  // 54 words of 16 bytes are 18 lines: on both sides of it
  for (const lines of [1, 2, 3, 17, 18, 19, 20, 36, 37, 100, MAX_BYTES / LINE_BYTES]) {
    const bytes = noise(lines * LINE_BYTES);
    assert.equal(encodeLines([bytes], CRC24_INIT).crc, plain(bytes), `${lines} lines`);
    const cut = Math.floor(bytes.length / 3);
    assert.equal(encodeLines([bytes.subarray(0, cut), bytes.subarray(cut)], CRC24_INIT).crc, plain(bytes));
  }
});

test('every group of six bits has its character in the WebAssembly loop, as Node encodes it', () => {
  const every = Buffer.from(
    Array.from({ length: 64 }, (_, n) => [n << 2, (n >> 4) | (n << 4), (n >> 2) | (n << 6), n]).flat(),
  );
  const padded = Buffer.concat([every, Buffer.alloc(LINE_BYTES - (every.length % LINE_BYTES))]);
  const { text, crc } = encodeLines([padded], undefined);
  assert.equal(text.toString('latin1').replaceAll('\n', ''), padded.toString('base64'));
  assert.equal(crc, undefined);
});

test('what is less than a line is given back, and neither encoded nor summed up', () => {
  const bytes = noise(5 * LINE_BYTES + 7);
  const { text, rest, crc } = encodeLines([bytes], CRC24_INIT);
  assert.equal(text.toString('latin1').replaceAll('\n', ''), bytes.subarray(0, -7).toString('base64'));
  assert.ok(rest.equals(bytes.subarray(-7)));
  assert.equal(crc, plain(bytes.subarray(0, -7)));
});
