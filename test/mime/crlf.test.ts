import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CanonicalLines } from '../../src/mime/crlf.ts';
import { BYTE_BY_BYTE, type Cut, cut, someCut, WHOLE } from '../support/chunks.ts';
import { FIXTURES } from '../support/fixtures.ts';

function canonical(input: Buffer, lengths: Cut = WHOLE): Buffer {
  const lines = new CanonicalLines();
  return Buffer.concat(cut(input, lengths).map((piece) => lines.update(piece)));
}

test('input of LF lines gets CRLF, and each CR and CRLF in it stays as it is', () => {
  const turned = (text: string) => canonical(Buffer.from(text)).toString();
  assert.equal(turned('a\nb\n\n'), 'a\r\nb\r\n\r\n');
  assert.equal(turned('\n'), '\r\n');
  assert.equal(turned('a\nb\r\nc\rd\r\re\n'), 'a\r\nb\r\nc\rd\r\re\r\n');
});

test('input whose first line ends in CRLF stays byte for byte', () => {
  for (const text of ['a\r\nb\nc\n\n', '\r\n\n', 'a\rb\r\n\nc\n']) {
    assert.equal(canonical(Buffer.from(text)).toString(), text);
  }
  for (const { name, bytes } of FIXTURES) {
    const first = bytes.indexOf('\n');
    if (first > 0 && bytes[first - 1] === 0x0d) assert.ok(canonical(bytes, [1000]).equals(bytes), name);
  }
});

test('input without any line end stays as it is', () => {
  for (const text of ['', 'a', 'a\r', '\r']) assert.equal(canonical(Buffer.from(text)).toString(), text);
});

test('line ends come out the same however the input is cut', () => {
  const input = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', 'a', '\0', '\xff'), { maxLength: 60 })
    .map((pieces) => Buffer.from(pieces.join(''), 'latin1'));
  fc.assert(
    fc.property(input, someCut, (bytes, lengths) => {
      assert.deepEqual(canonical(bytes, lengths), canonical(bytes));
      assert.deepEqual(canonical(bytes, BYTE_BY_BYTE), canonical(bytes));
    }),
    { numRuns: 500 },
  );
});

test('a second pass changes nothing, and no pass changes anything but CRs', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('\r', '\n', 'a') }), (text) => {
      const once = canonical(Buffer.from(text));
      assert.ok(canonical(once).equals(once));
      assert.equal(once.toString().replaceAll('\r', ''), text.replaceAll('\r', ''));
    }),
    { numRuns: 500 },
  );
});
