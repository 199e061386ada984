// Key files made to be expensive, asked for by many sessions at the same time: their recipients are deferred,
// and all others are served.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { underAttack } from '../support/attack.ts';
import { freshKey } from '../support/freshkey.ts';
import { openSession } from '../support/lmtp.ts';
import { isLong } from '../support/long.ts';
import { hugeDsa, hugeRsaExponent, withBadSubkeys, withSubkeys } from '../support/oddkeys.ts';

/** As large as a key file may be, of the same bytes again and again. */
function filled(bytes: readonly number[]): Buffer {
  return Buffer.alloc(250_000, Buffer.from(bytes));
}

const SESSIONS = isLong ? 50 : 10;

test(`${SESSIONS} sessions that ask for recipients with absurd keys get 451 4.7.5`, {
  timeout: 240_000,
}, async (t) => {
  const alice = await freshKey('alice@example.com');
  const absurd = {
    'many@example.com': await withSubkeys(alice, 10_000),
    'large@example.com': await withSubkeys(alice, 1000),
    'bad@example.com': await withBadSubkeys(alice, 1000),
    'dsa@example.com': hugeDsa(8000),
    'rsa@example.com': hugeRsaExponent(8000),
    'begun@example.com': '-----BEGIN PGP PUBLIC KEY BLOCK-----\n'.repeat(7000),
    'prose@example.com': `${'-'.repeat(250_000)}`,
    'oneline@example.com': '-----BEGIN PGP PUBLIC KEY BLOCK-----'.repeat(7000),
    'base64@example.com': `${'A'.repeat(16)}\n`.repeat(15_000),
    'parts@example.com': filled([0xc5, 0xe0]),
    'partsaftertext@example.com': Buffer.concat([Buffer.of(0x41, 0), filled([0xc6, 0xe0])]),
    'empty@example.com': Buffer.concat([alice.secret.toPublic().write(), filled([0xcd, 0x00])]),
    'copies@example.com': filled([0xc6, 1, 4]),
    'subkeys@example.com': Buffer.concat([Buffer.of(0xc6, 1, 4), filled([0xce, 1, 4])]),
    'signatures@example.com': Buffer.concat([
      Buffer.of(0xc6, 1, 4),
      filled([0xc2, 10, 4, 0x20, 1, 8, 0, 0, 0, 0, 0, 0]),
    ]),
    'heads@example.com': filled([0x95, 1, 0, 4, 0x60, 0, 0, 0, 1]),
    'many17@example.com': (await freshKey('many17@example.com', { subkeys: 17 })).certificate,
  };
  await underAttack(t, { keys: { ...absurd, 'alice@example.com': alice.certificate } }, async (server) => {
    const sessions = await Promise.all(
      Array.from({ length: SESSIONS }, () => openSession(server.socketPath)),
    );
    await Promise.all(
      sessions.map(async (session) => {
        await session.say('MAIL FROM:<>');
        for (const address of Object.keys(absurd))
          assert.match(await session.say(`RCPT TO:<${address}>`), /^451 4\.7\.5 /, address);
        assert.match(await session.say('RCPT TO:<alice@example.com>'), /^250 /);
        await session.vanish();
      }),
    );
  });
});
