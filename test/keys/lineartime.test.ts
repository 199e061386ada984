// A key file is read in a time that is linear in its length, whatever is in it: the reading stops all else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { MAX_KEY_FILE_BYTES } from '../../src/keys/parsedfiles.ts';
import { armored, madeCertificate } from '../support/handmade.ts';
import { shortOf } from '../support/long.ts';

const key = Buffer.from(armored(madeCertificate(Math.trunc(Date.now() / 1000) - 86_400).certificate));
// the worst of these takes 0.1 s on an idle machine; what is quadratic took 10 s and more
const MOST_MS = 2000;

/** What the patterns of the readers consist of, so that each begins to match again and again. */
const PIECES = [
  ...['END ', 'BEGIN ', 'BEGIN PGP ', 'END PGP PRIVATE ', 'BEGIN PRIVATE KE', 'END  ', 'SECRET ', 'KEY '],
  ...['-', '-----', '-----BEGIN PGP ', '-----BEGIN PGP A', '-----BEGIN PGP A-----', '-----END PGP A-----\n'],
  ...['-----BEGIN PGP PUBLIC KEY BLOCK-----', '-----BEGIN PGP SIGNED MESSAGE-----\n', '- ', ':', 'a:\n'],
  ...['A', 'A\n', `${'A'.repeat(16)}\n`, '=', '=\n', '=AAAA\n', '0', '00\n', '_', '+', '0x', '0x0', '\\n'],
  ...[
    '<',
    '<a',
    '<a>',
    '&',
    '&#',
    '&a',
    '&amp;',
    '%',
    '%2',
    '%2B',
    '=2B',
    ' ',
    '\t',
    '\r',
    '\n',
    '\r\n',
    '> ',
  ],
  ...[
    '\0',
    '\u00a0',
    '\u00c2\u00a0',
    '\u00e2\u0080',
    '\u00c5\u00e0',
    '\u00c6\u0001\u0004',
    '\u00c2\u0006\u0004',
  ],
  ...['1:', '1: ', ' 1', 'xVgE', 'xVgEaw', 'xeDg', 'lQEABGAAAAEE', 'wr4EIBYK', '9501000460000001'],
];

/** Of words, as a label: each word long, and each long blank between them. */
const LONG = [
  'END '.padEnd(20_000, 'A'),
  'END '.padEnd(20_000),
  'END A '.repeat(3),
  'BEGIN'.padEnd(60_000, ' A'),
];

test('256 KiB of the pieces of any pattern are read in a short time', async () => {
  for (const piece of [...shortOf(PIECES, 20), ...LONG]) {
    const filling = Buffer.alloc(MAX_KEY_FILE_BYTES - key.length - 1, Buffer.from(piece, 'latin1'));
    const files = [Buffer.concat([key, filling]), Buffer.concat([filling, Buffer.from('\n'), key]), filling];
    for (const [n, file] of files.entries()) {
      const begun = process.cpuUsage();
      await parseCertificates(file).catch((error: unknown) =>
        assert.ok(error instanceof KeyFileError, `${error}`),
      );
      const { user, system } = process.cpuUsage(begun);
      const took = (user + system) / 1000;
      assert.ok(took < MOST_MS, `${JSON.stringify(piece.slice(0, 40))}, file ${n}: ${took} ms`);
    }
  }
});
