// The state of a key in one word: of one opinion with the judgement that decides at RCPT, at any time.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { formerUse } from '../../src/keys/former.ts';
import { describeCertificate, judgeCertificate } from '../../src/keys/judgement.ts';
import { type KeyState, keyStateOf } from '../../src/keys/state.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { makeKey } from '../support/testkeys.ts';

const RULES = { subkeys: 'all' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;

async function only(certificate: Buffer | string) {
  const [first] = await parseCertificates(Buffer.from(certificate as string));
  assert.ok(first !== undefined);
  return first;
}

test('a key is valid, then expiring for its last 30 days, then expired', async () => {
  const date = new Date(Math.floor(Date.now() / 1000) * 1000 - DAY_MS);
  const certificate = await only(
    (await makeKey('a@example.com', { date, expiresAfter: 50 * 86_400 })).certificate,
  );
  const ends = date.getTime() + 50 * DAY_MS;
  for (const [at, state] of [
    [ends - 30 * DAY_MS - 1, 'valid'],
    [ends - 30 * DAY_MS, 'expiring'],
    [ends - 1, 'expiring'],
    [ends, 'expired'],
    [ends + 900 * DAY_MS, 'expired'],
    [date.getTime() - 1000, 'unusable'],
  ] as const) {
    const found = await keyStateOf(certificate, new Date(at), RULES);
    assert.equal(found.state, state, new Date(at).toISOString());
    if (state !== 'unusable') assert.equal(found.expiresAt?.getTime(), ends);
    assert.equal(found.reason === undefined, at >= date.getTime() && at < ends);
  }
});

test('a revoked key is revoked; its owner is not written to, and that of an expired one is', async () => {
  const key = await freshKey('a@example.com');
  const certificate = await only(await revoked(key));
  assert.equal((await keyStateOf(certificate, new Date(), RULES)).state, 'revoked');
  assert.equal(await formerUse(certificate, new Date()), undefined);
  const expired = await only((await freshKey('a@example.com', { lifetimeSeconds: 60 })).certificate);
  assert.equal((await keyStateOf(expired, new Date(), RULES)).state, 'expired');
  assert.equal((await formerUse(expired, new Date()))?.keys.length, 1);
});

const WANTED: Readonly<Record<string, KeyState>> = {
  'gpg-rsa3072': 'valid',
  'gpg-rsa1024': 'unusable',
  'gpg-signonly': 'unusable',
  'gpg-enc-expired': 'expired',
  'gpg-expired': 'expired',
  'gpg-enc-revoked': 'revoked',
  'gpg-revoked': 'revoked',
  'gpg-newest-revoked': 'valid',
  'gpg-newest-expired': 'valid',
  'gpg-extended': 'valid',
  'gpg-future': 'unusable',
  'gpg-dsa-elg2048': 'unusable',
  'sq-nouid': 'unusable',
  'sq-noenc': 'unusable',
  'gov6-v6-25519': 'valid',
};

describe('of the keys of gpg, sq, rnp and others', needsKeyCollection(), async () => {
  const collection = await openKeyCollection();
  after(() => collection?.close());

  test('those that can be sealed to are valid or expiring, and no others', async () => {
    let count = 0;
    for (const { name, certificate } of collection?.keys ?? []) {
      const all = await parseCertificates(certificate).catch((error: unknown) => {
        assert.ok(error instanceof KeyFileError, name);
        return [];
      });
      for (const each of all) {
        count++;
        const now = new Date();
        const { state, expiresAt, reason } = await keyStateOf(each, now, RULES);
        const judged = await judgeCertificate(each, now, RULES);
        const isUsable = 'keys' in judged;
        assert.equal(state === 'valid' || state === 'expiring', isUsable, `${name}: ${state}`);
        assert.equal(reason, 'reason' in judged ? judged.reason : undefined, name);
        if (isUsable)
          assert.deepEqual(expiresAt, (await describeCertificate(each, now, RULES)).expiresAt, name);
        if (isUsable) assert.ok((await formerUse(each, now)) !== undefined, name);
        if (WANTED[name] !== undefined) assert.equal(state, WANTED[name], name);
      }
    }
    assert.ok(count > 60, `${count}`);
  });
});
