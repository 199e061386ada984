// RCPT and DATA judge a key alike: whoever is accepted gets their mail, whatever of the key has lapsed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codesOf, deliver, openSite } from '../support/delivery.ts';
import { FLAGS, newSubkey, Owner, userId } from '../support/handmade.ts';

const DAY = 86_400;
const NOW = Math.trunc(Date.now() / 1000);
const MADE = NOW - 1000 * DAY;
const [ALICE, BOB] = ['<alice@example.com>', '<bob@example.com>'] as const;
const MESSAGE = Buffer.from('Subject: hi\r\n\r\nhello\r\n');

const owner = new Owner(MADE);
const subkey = newSubkey(MADE);
const certified = (name: string, lasts?: number) =>
  owner.certify(name, {
    at: MADE,
    flags: FLAGS.certify | FLAGS.sign,
    ...(lasts === undefined ? {} : { lasts }),
  });
const tail = [subkey.packet, owner.bind(subkey, { at: MADE, flags: FLAGS.communication | FLAGS.storage })];

test('F28: a lapsed certification beside one that counts is 250 2.1.5 at RCPT, and the message is stored', async (t) => {
  const site = await openSite(t);
  const parts = [owner.packet, userId(ALICE), certified(ALICE), userId(BOB), certified(BOB, 30 * DAY)];
  await site.replaceKey('alice@example.com', Buffer.concat([...parts, ...tail]));
  const { accepted, replies } = await deliver(site.transaction(), ['alice@example.com'], MESSAGE);
  assert.deepEqual(codesOf([...accepted, ...replies]), ['250 2.1.5', '250 2.0.0']);
});

test('F28: where the last certification has lapsed the answer is 451 4.7.5, at RCPT', async (t) => {
  const site = await openSite(t);
  const parts = [owner.packet, userId(ALICE), certified(ALICE, 30 * DAY)];
  await site.replaceKey('alice@example.com', Buffer.concat([...parts, ...tail]));
  const transaction = site.transaction();
  const reply = await transaction.recipient(Buffer.from('<alice@example.com>'));
  assert.deepEqual(codesOf([reply]), ['451 4.7.5']);
});
