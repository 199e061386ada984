// A message to many whose keys are dear: others have their turn between its copies.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { codesOf, deliver, openSite } from '../support/delivery.ts';
import { freshKey } from '../support/freshkey.ts';

const RECIPIENTS = 8;
const DEAR_MS = 12;
// a session key, or random bytes of as many
const DRAWN_BYTES = [16, 32];

test('between copies that take long to begin the event loop has its turn', async (t) => {
  const key = await freshKey('user0@example.com');
  const keys = Array.from({ length: RECIPIENTS }, (_, n) => ({ ...key, address: `user${n}@example.com` }));
  let turns = 0;
  const turnsAt: number[] = [];
  const random = (length: number) => {
    if (DRAWN_BYTES.includes(length)) {
      for (const start = performance.now(); performance.now() - start < DEAR_MS; );
      turnsAt.push(turns);
    }
    return randomBytes(length);
  };
  const site = await openSite(t, { keys, world: { random } });
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  count();
  const paths = keys.map(({ address }) => address);
  const { replies } = await deliver(site.transaction(), paths, Buffer.from('Subject: x\r\n\r\nx\r\n'));
  isOver = true;
  assert.deepEqual(new Set(codesOf(replies)), new Set(['250 2.0.0']));
  assert.ok(new Set(turnsAt).size >= RECIPIENTS, `turns ${turnsAt.join(' ')}`);
});
