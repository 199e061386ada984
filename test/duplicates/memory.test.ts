// The memory of deliveries on real files, in the hands of several processes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver, knows, openState, WINDOW_MS } from '../support/memory.ts';

test('what one process stores, the others and the next one know', async (t) => {
  const state = await openState(t);
  await state.own();
  const [one, two] = [state.open(), state.open()];
  assert.deepEqual(one.secret, two.secret);
  assert.equal(knows(two, 1), false);
  deliver(one, 1);
  deliver(two, 2);
  for (const memory of [one, two, state.open()]) {
    assert.deepEqual(
      [1, 2, 3].map((n) => knows(memory, n)),
      [true, true, false],
    );
  }
  assert.deepEqual(state.faults, []);
});

test('a copy is known for any part of its recipients, and for those of several copies, and for no other', async (t) => {
  const state = await openState(t);
  await state.own();
  const [one, two] = [state.open(), state.open()];
  deliver(one, 1, 'a', 'b');
  deliver(two, 1, 'c', 'd');
  for (const memory of [one, two, state.open()]) {
    for (const paths of [['a'], ['b', 'a'], ['b', 'c'], ['d', 'a', 'c', 'b']])
      assert.ok(knows(memory, 1, ...paths));
    assert.equal(knows(memory, 1, 'e'), false);
    assert.equal(knows(memory, 2, 'a'), false);
  }
});

test('a copy with a hundred recipients takes two records, as one with a single recipient does', async (t) => {
  const state = await openState(t);
  await state.own();
  const one = state.open();
  const paths = Array.from({ length: 100 }, (_, n) => `u2+${n}@example.com`);
  deliver(one, 1, ...paths);
  assert.deepEqual(state.records(), [2]);
  assert.ok(knows(state.open(), 1, ...paths));
  deliver(one, 2);
  assert.deepEqual(state.records(), [4]);
});

test('a delivery is forgotten when the window is over, by those who saw it and by those who read it', async (t) => {
  const state = await openState(t);
  await state.own();
  const [one, two] = [state.open(), state.open()];
  deliver(one, 1);
  state.clock.now += WINDOW_MS - 1;
  assert.ok(knows(one, 1) && knows(two, 1));
  deliver(two, 2);
  state.clock.now += 1;
  for (const memory of [one, two, state.open()]) {
    assert.equal(knows(memory, 1), false);
    assert.equal(knows(memory, 2), true);
  }
});

test('several generations in the hands of several processes lose no record of the newest', async (t) => {
  const state = await openState(t, 20);
  await state.own();
  const memories = [state.open(), state.open(), state.open()];
  for (let n = 0; n < 200; n++) {
    deliver(memories[n % 3] ?? state.open(), n);
    for (let m = Math.max(0, n - 70); m <= n; m++) {
      const memory = memories[(n * 7 + m) % 3];
      assert.ok(memory !== undefined && knows(memory, m), `${m} of ${n}`);
    }
  }
});

test('a start after the newest generation is over begins another, which all processes have', async (t) => {
  const state = await openState(t);
  await state.own();
  deliver(state.open(), 1);
  state.clock.now += WINDOW_MS / 4;
  const [one, two] = [state.open(), state.open()];
  assert.ok(one.isShared && two.isShared);
  deliver(one, 2);
  for (const memory of [one, two, state.open()])
    assert.deepEqual(
      [1, 2, 3].map((n) => knows(memory, n)),
      [true, true, false],
    );
  assert.deepEqual(state.faults, []);
});
