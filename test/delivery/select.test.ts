// Which keys a copy is sealed with, and what is answered when there are none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeyRules, select } from '../../src/delivery/select.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { freshKey, revoked } from '../support/freshkey.ts';

const NOW = Date.now();
const DAY_MS = 24 * 60 * 60 * 1000;
const DEFER: KeyRules = { unusable: 'defer', subkeys: 'all' };
const REJECT: KeyRules = { unusable: 'reject', subkeys: 'all' };

const [good, modern, expired, bad] = await Promise.all([
  freshKey('a@example.com'),
  freshKey('a@example.com', { kind: 'v6' }),
  freshKey('a@example.com', { createdAt: new Date(NOW - 3 * DAY_MS), lifetimeSeconds: 86_400 }),
  freshKey('a@example.com').then(revoked),
]);

async function entry(...files: Buffer[]) {
  return {
    certificates: (await Promise.all(files.map((file) => parseCertificates(file)))).flat(),
    problems: [],
  };
}

async function selected(files: Buffer[], policy = DEFER, now = NOW) {
  const result = await select(await entry(...files), policy, now);
  return 'why' in result ? result.why : result.usable.length;
}

test('usable certificates are selected, unusable ones are left out', async () => {
  assert.equal(await selected([good.certificate]), 1);
  assert.equal(await selected([good.certificate, modern.certificate]), 2);
  assert.equal(await selected([expired.certificate, good.certificate, bad]), 1);
});

test('an unusable certificate does not decide how the others are encrypted to', async () => {
  const result = await select(await entry(bad, modern.certificate), DEFER, NOW);
  assert.ok('encryption' in result);
  assert.equal(result.encryption.version, 2);
});

test('without a usable certificate the policy decides, and the reasons are for the log', async () => {
  for (const files of [[expired.certificate], [bad], [expired.certificate, bad]]) {
    assert.equal(await selected(files, DEFER), 'keyUnusableNow');
    assert.equal(await selected(files, REJECT), 'keyUnusable');
    const result = await select(await entry(...files), REJECT, NOW);
    assert.equal('reasons' in result && result.reasons.length, files.length);
  }
});

test('keys are judged at the moment asked for', async () => {
  assert.equal(await selected([expired.certificate], DEFER, NOW - 2.5 * DAY_MS), 1);
  assert.equal(await selected([expired.certificate], DEFER, NOW), 'keyUnusableNow');
  assert.equal(await selected([expired.certificate], DEFER, NOW - 4 * DAY_MS), 'keyUnusableNow');
});

test('a file that cannot be read defers, even beside a good key and even where the policy rejects', async () => {
  const { certificates } = await entry(good.certificate);
  for (const policy of [DEFER, REJECT]) {
    const problems = ['a@example.com.pgp is empty'];
    assert.deepEqual(await select({ certificates, problems }, policy, NOW), {
      why: 'keyUnusableNow',
      reasons: problems,
    });
  }
});

test('an entry without any certificate is never usable', async () => {
  assert.equal(await selected([], DEFER), 'keyUnusableNow');
  assert.equal(await selected([], REJECT), 'keyUnusable');
});
