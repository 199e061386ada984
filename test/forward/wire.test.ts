// What follows DATA, for any bytes and however they are cut: the next hop has the bytes back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DataEncoder } from '../../src/forward/wire.ts';
import { DotDecoder } from '../../src/lmtp/dots.ts';

test('an LMTP server finds the end, and the bytes with CRLF for LF', () => {
  const byte = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(0x2e, 0x0a, 0x0d) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
  );
  const pieces = fc.array(fc.array(byte, { maxLength: 12 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(pieces, (cut) => {
      const encoder = new DataEncoder();
      const encoded = [...cut.map((bytes) => encoder.update(Buffer.from(bytes))), encoder.final()];
      const { pieces: decoded, rest } = new DotDecoder().update(Buffer.concat(encoded));
      const whole = Buffer.from(cut.flat()).toString('latin1').replaceAll('\n', '\r\n');
      const ended = whole === '' || whole.endsWith('\n') ? whole : `${whole}\r\n`;
      assert.equal(Buffer.concat(decoded).toString('latin1'), ended);
      assert.equal(rest?.length, 0);
      assert.equal(encoder.size, whole.length);
    }),
  );
});
