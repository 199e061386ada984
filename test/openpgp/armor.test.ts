import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Armor } from '../../src/openpgp/armor.ts';
import { BYTE_BY_BYTE, type Cut, cut, lend, noise, someCut, WHOLE } from '../support/chunks.ts';
import { plainCrc24 } from '../support/crc24.ts';

const SIZES = [0, 1, 2, 3, 47, 48, 49, 95, 96, 97, 191, 192, 8383, 8384, 65_535, 65_536, 65_537, 131_073];
type Checksum = 'crc24' | 'none';

/** Pieces are kept as given: a later call must not change an earlier piece. */
function armored(bytes: Buffer, lengths: Cut, checksum: Checksum): { text: string; lines: number } {
  const armor = new Armor(checksum);
  const out: Buffer[] = [];
  lend(bytes, lengths, (piece) => out.push(...armor.update([piece])));
  out.push(...armor.final());
  return { text: Buffer.concat(out).toString('latin1'), lines: armor.lines };
}

/** RFC 9580 §6, put together in one go. */
function plainly(bytes: Buffer, checksum: Checksum): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  const sum = checksum === 'crc24' ? [`=${plainCrc24(bytes).toString('base64')}`] : [];
  return ['-----BEGIN PGP MESSAGE-----', '', ...lines, ...sum, '-----END PGP MESSAGE-----', ''].join('\n');
}

for (const checksum of ['crc24', 'none'] as const) {
  test(`armor with checksum ${checksum} is base64 in lines of 64, whole and byte by byte`, () => {
    for (const size of SIZES) {
      const expected = plainly(noise(size), checksum);
      assert.equal(armored(noise(size), WHOLE, checksum).text, expected, `${size} bytes`);
      assert.equal(armored(noise(size), BYTE_BY_BYTE, checksum).text, expected, `${size} bytes`);
    }
  });

  test(`armor with checksum ${checksum} is the same however the bytes are cut`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), someCut, (size, lengths) => {
        assert.equal(armored(noise(size), lengths, checksum).text, plainly(noise(size), checksum));
      }),
    );
  });

  test(`with checksum ${checksum} the count of lines is the count of LF, and there is no CR`, () => {
    for (const size of SIZES) {
      const { text, lines } = armored(noise(size), [1000], checksum);
      assert.equal(lines, text.split('\n').length - 1, `${size} bytes`);
      assert.ok(!text.includes('\r'));
      assert.ok(text.split('\n').every((line) => line.length <= 64));
    }
  });
}

test('armor of several pieces at once is that of one piece, whatever their number and length', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200_000 }), someCut, (size, lengths) => {
      const armor = new Armor('crc24');
      const text = Buffer.concat([...armor.update(cut(noise(size), lengths)), ...armor.final()]);
      assert.equal(text.toString('latin1'), plainly(noise(size), 'crc24'));
    }),
    { numRuns: 60 },
  );
});

test('the count of lines is right after every update, not only at the end', () => {
  const armor = new Armor('crc24');
  let given = '';
  lend(noise(1000), [7, 100, 48], (piece) => {
    given += Buffer.concat(armor.update([piece])).toString('latin1');
    assert.equal(armor.lines, given.split('\n').length - 1);
  });
});
