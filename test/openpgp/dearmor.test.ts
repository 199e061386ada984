// The armor of a message comes out as the bytes that went in, whatever its lines look like and wherever it is
// cut; the fast way for lines of 64 characters gives what the slow one does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeLines } from '../../src/openpgp/armorloop.ts';
import { Dearmor } from '../../src/openpgp/dearmor.ts';
import { BYTE_BY_BYTE, cut, noise, someCut, WHOLE } from '../support/chunks.ts';

function dearmored(text: Buffer, lengths: readonly number[]): Buffer {
  const dearmor = new Dearmor();
  const pieces = cut(text, lengths).map((piece) => {
    const lent = Buffer.from(piece);
    const bytes = Buffer.from(dearmor.update(lent));
    lent.fill(0x41);
    return bytes;
  });
  return Buffer.concat([...pieces, dearmor.final()]);
}

function armored(bytes: Buffer, { width = 64, end = '\n', head = '' } = {}): Buffer {
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
  const text = ['-----BEGIN PGP MESSAGE-----', ...(head === '' ? [] : [head]), '', ...lines, '=abcd'];
  return Buffer.from(['Subject: x', '', ...text, '-----END PGP MESSAGE-----', ''].join(end));
}

const FORMS = [
  {},
  { end: '\r\n' },
  { end: ' \n' },
  { width: 76 },
  { width: 60, end: '\r\n' },
  { width: 1 },
  { width: 63 },
  { head: 'Version: GnuPG v2' },
];

for (const form of FORMS)
  test(`lines of this form are decoded, wherever they are cut: ${JSON.stringify(form)}`, () => {
    for (const length of [0, 1, 2, 47, 48, 49, 96, 1000, 200_000])
      for (const lengths of length < 2000 ? [WHOLE, BYTE_BY_BYTE, [63, 2, 65]] : [WHOLE, [65_536], [997]])
        assert.ok(dearmored(armored(noise(length), form), lengths).equals(noise(length)), `${length}`);
  });

test('any bytes come out of any cut', () => {
  fc.assert(
    fc.property(fc.nat(300_000), someCut, fc.constantFrom(...FORMS), (length, lengths, form) => {
      assert.ok(dearmored(armored(noise(length), form), lengths).equals(noise(length)));
    }),
    { numRuns: 50 },
  );
});

test('every byte that is no base64 ends the lines of 64 characters, wherever it stands', () => {
  const line = Buffer.from(`${noise(48).toString('base64')}\n`);
  const text = Buffer.concat([line, line, line]);
  const usual = /[A-Za-z0-9+/]/;
  for (let byte = 0; byte < 256; byte++)
    for (const at of [65, 66, 80, 112, 128]) {
      const changed = Buffer.from(text);
      changed[at] = byte;
      const { bytes, taken } = decodeLines(Buffer.alloc(0), changed);
      const count = usual.test(String.fromCharCode(byte)) ? 3 : 1;
      assert.equal(taken, count * 65, `${byte} at ${at}`);
      const expected = Buffer.from(changed.toString('latin1', 0, taken), 'base64');
      assert.ok(bytes.equals(expected), `${byte} at ${at}`);
    }
  for (const end of ['\r', ' ', '\r\r', 'A']) {
    const { taken } = decodeLines(
      line.subarray(0, 7),
      Buffer.concat([line.subarray(7), line.subarray(0, 64), Buffer.from(end), line]),
    );
    assert.equal(taken, 65, JSON.stringify(end));
  }
});
