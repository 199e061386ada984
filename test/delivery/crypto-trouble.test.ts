// When the sealing itself fails: no randomness, a key that is no longer valid. Deferred, nothing stored,
// nothing shown.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { holds } from '../support/canary.ts';
import { codesOf, deliver, opened, openSite } from '../support/delivery.ts';
import { freshKey, revoked } from '../support/freshkey.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW = Date.now();
const CANARY = 'canary-5a0c77-which-must-never-be-readable';
const MESSAGE = Buffer.from(`Subject: ${CANARY}\r\n\r\n${CANARY}\r\n`);
const CRYPTO_FAILED = '451 4.7.5';
const LOOKUP_FAILED = '451 4.3.0';

const [alice, brief] = await Promise.all([
  freshKey('alice@example.com'),
  freshKey('brief@example.com', { createdAt: new Date(NOW - DAY_MS), lifetimeSeconds: (2 * DAY_MS) / 1000 }),
]);

test('F13: a random source that fails during DATA defers each recipient and leaves no file', async (t) => {
  let isBroken = false;
  const random = (length: number) => {
    if (isBroken) throw new Error('no entropy');
    return randomBytes(length);
  };
  const site = await openSite(t, { keys: [alice, brief], world: { random } });
  const transaction = site.transaction();
  for (const path of ['alice', 'brief']) await transaction.recipient(Buffer.from(`<${path}@example.com>`));
  isBroken = true;
  const { replies } = await deliver(transaction, [], MESSAGE);
  assert.deepEqual(codesOf(replies), [CRYPTO_FAILED, CRYPTO_FAILED]);
  assert.deepEqual(await site.files(), []);
  assert.equal(JSON.stringify([replies, site.outcomeLog]).includes(CANARY), false);
});

test('F13: a random source that fails at any one call never leaves a readable byte or one recipient without reply', async (t) => {
  for (let k = 1, isReached = true; isReached; k++) {
    let calls = 0;
    isReached = false;
    const random = (length: number) => {
      if (++calls !== k) return randomBytes(length);
      isReached = true;
      throw new Error('no entropy');
    };
    await using site = await openSite(t, { keys: [alice, brief], world: { random } });
    if (k === 1) {
      assert.throws(() => site.transaction());
      continue;
    }
    const { accepted, replies } = await deliver(
      site.transaction(),
      ['alice@example.com', 'brief@example.com'],
      MESSAGE,
    );
    assert.ok(
      codesOf(accepted).every((code) => ['250 2.1.5', LOOKUP_FAILED].includes(code)),
      `call ${k}`,
    );
    assert.ok(
      codesOf(replies).every((code) => ['250 2.0.0', CRYPTO_FAILED].includes(code)),
      `call ${k}`,
    );
    const isSaid = accepted.filter(({ code }) => code === 250).length;
    assert.equal(replies.length, isSaid, `call ${k}`);
    const files = await site.files();
    assert.equal(files.length, replies.filter(({ code }) => code === 250).length, `call ${k}`);
    for (const { bytes } of files) {
      const body = bytes.subarray(bytes.indexOf('\n\n'));
      assert.equal(holds(body, CANARY), false, `call ${k}`);
    }
    if (isReached)
      assert.ok(
        [...accepted, ...replies].some(({ code }) => code === 451),
        `call ${k}`,
      );
  }
});

test('F14: a key that expires between RCPT and DATA defers its recipient, and the other is stored', async (t) => {
  let now = NOW;
  const site = await openSite(t, { keys: [alice, brief], world: { now: () => now } });
  const transaction = site.transaction();
  for (const path of ['brief', 'alice']) await transaction.recipient(Buffer.from(`<${path}@example.com>`));
  now += 2 * DAY_MS;
  const { replies } = await deliver(transaction, [], MESSAGE);
  assert.deepEqual(codesOf(replies), [CRYPTO_FAILED, '250 2.0.0']);
  assert.deepEqual(await opened(site, alice), [MESSAGE]);
  assert.equal((await site.files()).length, 1);
});

test('F14: a key that has expired before RCPT is answered there, before any byte of the message', async (t) => {
  const site = await openSite(t, { keys: [brief], world: { now: () => NOW + 2 * DAY_MS } });
  const transaction = site.transaction();
  assert.deepEqual(codesOf([await transaction.recipient(Buffer.from('<brief@example.com>'))]), ['451 4.7.5']);
  assert.equal(transaction.recipientCount, 0);
});

for (const [what, bytes] of [
  ['rubbish', Buffer.from('rubbish')],
  ['a revoked certificate', await revoked(alice)],
] as const) {
  test(`F14: a key file that is replaced by ${what} behind RCPT changes nothing for that message, and defers the next`, async (t) => {
    const site = await openSite(t, { keys: [alice, brief] });
    const transaction = site.transaction();
    for (const path of ['alice', 'brief']) await transaction.recipient(Buffer.from(`<${path}@example.com>`));
    await site.replaceKey('alice@example.com', bytes);
    const { replies } = await deliver(transaction, [], MESSAGE);
    assert.deepEqual(codesOf(replies), ['250 2.0.0', '250 2.0.0']);
    for (const key of [alice, brief]) assert.deepEqual(await opened(site, key), [MESSAGE]);

    const next = await deliver(site.transaction(), ['alice@example.com', 'brief@example.com'], MESSAGE);
    assert.deepEqual(codesOf(next.accepted), [CRYPTO_FAILED, '250 2.1.5']);
    assert.deepEqual(codesOf(next.replies), ['250 2.0.0']);
    assert.deepEqual([(await opened(site, alice)).length, (await opened(site, brief)).length], [1, 2]);
  });
}
