// Keys and signatures that are written out in a text, without an armor.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { armored, madeCertificate } from '../support/handmade.ts';
import { DAY, MADE, NOW, verdictOf } from '../support/verdict.ts';

const alice = madeCertificate(MADE);
const bob = madeCertificate(MADE, '<bob@example.com>');

test('a key or signature that is written out without an armor refuses the file', async () => {
  const { owner, certificate, subkey } = alice;
  const key = armored(certificate);
  for (const issuer of ['both', 'fingerprint'] as const) {
    for (const part of [owner.revoke({ at: NOW - DAY, issuer }), bob.certificate, subkey.packet]) {
      const base64 = part.toString('base64');
      const texts = [
        base64,
        base64.replace(/.{64}/g, '$&\n'),
        base64.replace(/.{12}/g, '$&\r'),
        base64.replace(/.{64}/g, '* $&<br>\n'),
        `Autocrypt: addr=bob@example.com; keydata=${base64}`,
        part.toString('base64url'),
        part.toString('hex'),
        armored(part).replace('BEGIN PGP', 'BEGIN  PGP').replace('END PGP', 'END  PGP'),
        armored(part, { type: 'public key block' }),
        Buffer.from(armored(part)).toString('base64'),
      ];
      for (const text of texts)
        for (const file of [
          `${text}\n${key}`,
          `${key}${text}\n`,
          key.replace('\n\n', `\nComment: ${text.replace(/[\r\n]/g, '')}\n\n`),
        ])
          assert.match((await verdictOf(file)).join(), /refused: it holds a key without its line/, text);
    }
  }
});
