// Opened messages that slow readers hold, and those that wait until there is room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { HeldViews } from '../../src/gateway/heldviews.ts';

const view = (bytes: number) => ({ bytes: Buffer.allocUnsafeSlow(bytes) });

test('there is room up to a number of bytes, and beyond it when one was written', async () => {
  const held = new HeldViews(100);
  let opened = 0;
  const first = held.hold(view(60));
  await held.room();
  const second = held.hold(view(1000));
  const waiting = [1, 2].map(() => held.room().then(() => opened++));
  await turn();
  assert.equal(opened, 0);
  first();
  await turn();
  assert.equal(opened, 0, 'the larger one is still held');
  second();
  await Promise.all(waiting);
  assert.equal(held.bytes, 0);
});

test('a message that several read counts once, until the last has it', async () => {
  const held = new HeldViews(100);
  const same = view(70);
  const uses = [held.hold(same), held.hold(same), held.hold({ bytes: same.bytes.subarray(5) })];
  assert.equal(held.bytes, 70);
  await held.room();
  for (const release of uses) {
    assert.equal(held.bytes, 70);
    release();
  }
  assert.equal(held.bytes, 0);
});
