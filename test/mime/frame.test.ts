import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pgpMimeFrame } from '../../src/mime/frame.ts';
import { noise } from '../support/chunks.ts';

const random = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));

function boundaryOf(fields: string): string {
  const [, boundary] = /^Content-Type: multipart\/encrypted; .*boundary="([^"]*)"$/m.exec(fields) ?? [];
  assert.ok(boundary !== undefined, 'the boundary is quoted and on the line of its Content-Type');
  return boundary;
}

test('a boundary is short, has all 128 random bits, and a character no base64 line contains', () => {
  fc.assert(
    fc.property(random, (bytes) => {
      const boundary = boundaryOf(pgpMimeFrame(bytes).fields.toString());
      assert.match(boundary, /^[A-Za-z0-9_]{33,60}$/);
      assert.match(boundary, /_/);
      assert.ok(boundary.includes(bytes.toString('hex')));
    }),
  );
});

test('the frame is the two parts of RFC 3156 §4, with the names mail clients look for', () => {
  const { fields, parts, tail } = pgpMimeFrame(noise(16));
  const boundary = boundaryOf(fields.toString());
  assert.equal(
    `${fields}${parts}-----BEGIN PGP MESSAGE-----\n${tail}`,
    `MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="${boundary}"

--${boundary}
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME version identification

Version: 1

--${boundary}
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"

-----BEGIN PGP MESSAGE-----

--${boundary}--
`,
  );
});

test('the fields of the frame end in a whole line, so that other fields may stand between them and the parts', () => {
  const { fields, parts } = pgpMimeFrame(noise(16));
  assert.match(fields.toString(), /^MIME-Version: 1\.0\nContent-Type: [^\n]+\n$/);
  assert.match(parts.toString(), /^\n--sealdir_/);
});

test('the frame has no CR, no byte over 127, no line over 998 and no Content-Transfer-Encoding', () => {
  const { fields, parts, tail } = pgpMimeFrame(noise(16));
  const text = Buffer.concat([fields, parts, tail]).toString('latin1');
  assert.match(text, /^[\n -~]+$/);
  assert.ok(text.split('\n').every((line) => line.length <= 998));
  assert.ok(!/content-transfer-encoding/i.test(text));
});
