// Mail of other times, by gpg: each of its ciphers and compressions is opened, or refused with its name.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openPackets } from '../../src/opening/open.ts';
import { packetsIn } from '../../src/opening/source.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { shortOf } from '../support/long.ts';
import { holderOf, joined } from '../support/opening.ts';
import { needs } from '../support/peers.ts';

const ADDRESS = 'alice@example.com';
/** Longer than the pieces in which a message is lent, compressed too. */
const TEXT = `Subject: x\r\n\r\n${randomBytes(75_000).toString('base64')}\r\n`;

const CIPHERS = ['CAST5', '3DES', 'BLOWFISH', 'TWOFISH', 'AES', 'AES192', 'AES256'];
/** Known natively alone, and so without the compression that the library alone knows. */
const CAMELLIA = ['CAMELLIA128', 'CAMELLIA192', 'CAMELLIA256'];

/** Options of gpg, and what is said of the message where it is not opened. */
const CASES: readonly (readonly [readonly string[], RegExp?])[] = [
  ...['none', 'zip', 'zlib', 'bzip2'].flatMap((compression) =>
    CIPHERS.map((cipher) => [[cipher, compression]] as const),
  ),
  ...['none', 'zip', 'zlib'].flatMap((compression) =>
    CAMELLIA.map((cipher) => [[cipher, compression]] as const),
  ),
  [['CAMELLIA256', 'bzip2'], /encrypted with Camellia-256/],
  [['CAMELLIA128', 'bzip2'], /encrypted with Camellia-128/],
  [['IDEA', 'none'], /encrypted with IDEA/],
  [['IDEA', 'bzip2'], /encrypted with IDEA/],
  [['CAST5', 'zip', '--rfc2440'], /does not show whether it was changed/],
  [['AES256', 'none', '--rfc2440'], /does not show whether it was changed/],
];

test(
  'mail that gpg encrypts with old algorithms opens, or is refused with a reason',
  needs('gpg'),
  async (t) => {
    const home = await openGnupgHome('');
    t.after(() => home.close());
    await home.gpg(['--quick-generate-key', ADDRESS, 'default', 'default', 'never']);
    const { opener } = await holderOf(await home.gpg(['--armor', '--export-secret-keys']));
    for (const [[cipher = '', compression = '', ...more], refused] of shortOf(CASES, 3)) {
      const how = ['--cipher-algo', cipher, '--compress-algo', compression, ...more];
      const sealed = await home.gpg(['--armor', ...how, '--recipient', ADDRESS, '--encrypt'], TEXT);
      const what = how.join(' ');
      const opened = openPackets(packetsIn(sealed), opener);
      if (refused === undefined) assert.equal((await joined((await opened).pieces())).toString(), TEXT, what);
      else await assert.rejects(opened, refused, what);
    }
  },
);
