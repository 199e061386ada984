// Key files made to be expensive, asked for by many sessions at the same time: their recipients are deferred,
// and all others are served.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { underAttack } from '../support/attack.ts';
import { freshKey } from '../support/freshkey.ts';
import { openSession } from '../support/lmtp.ts';
import { hugeDsa, hugeRsaExponent, withBadSubkeys, withSubkeys } from '../support/oddkeys.ts';

test('50 sessions that ask for recipients with absurd keys get 451 4.7.5', {
  timeout: 60_000,
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
  };
  await underAttack(t, { keys: { ...absurd, 'alice@example.com': alice.certificate } }, async (server) => {
    const sessions = await Promise.all(Array.from({ length: 50 }, () => openSession(server.socketPath)));
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
