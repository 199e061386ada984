// How much the memory of deliveries holds, and for how long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { account, deliver, GENERATION_MS, identity, knows, openState, WINDOW_MS } from '../support/memory.ts';

test('as long as there is room, all of the window is known and nothing older is kept', async (t) => {
  const state = await openState(t);
  await state.own();
  const memory = state.open();
  for (let n = 0; n < 100; n++) {
    deliver(memory, n);
    assert.ok(state.files().length <= 9 + 2, state.files().join());
    const known = Array.from({ length: n + 1 }, (_, m) => knows(memory, m));
    const lasting = (WINDOW_MS * 2) / GENERATION_MS; // two deliveries in each generation
    assert.deepEqual(
      known,
      known.map((_, m) => n - m < lasting),
    );
    assert.equal(memory.oldestSeconds, Math.min((n * GENERATION_MS) / 2 / 1000, WINDOW_MS / 1000));
    state.clock.now += GENERATION_MS / 2;
  }
});

test('files and memory are bounded; the newest records stay, also for a process that slept', async (t) => {
  const state = await openState(t, 20);
  await state.own();
  const [busy, sleeper] = [state.open(), state.open()];
  for (let n = 1; n <= 295; n++) deliver(busy, n);
  const kept = [22, 23, 24, 25, 26, 27, 28, 29, 30].map((n) => `delivered.${n}`);
  assert.deepEqual(state.files(), [...kept, 'lock', 'secret']);
  for (const memory of [busy, sleeper, state.open()]) {
    for (let n = 211; n <= 295; n++) assert.ok(knows(memory, n), `${n}`);
    assert.equal(knows(memory, 210), false);
  }
  deliver(sleeper, 296);
  assert.ok(knows(busy, 296));
  assert.deepEqual(state.files(), [...kept, 'lock', 'secret']);
  state.clock.now += 5000;
  assert.equal(busy.oldestSeconds, 5);
});

test('failed attempts fill no more than what there is room for', async (t) => {
  const state = await openState(t, 20);
  await state.own();
  const memory = state.open();
  for (let n = 1; n <= 500; n++) {
    assert.equal(memory.find(identity(1)), 'unknown');
    memory.begin(identity(1), account(n), 'file').failed();
  }
  assert.ok(state.records().every((count) => count <= 21));
  assert.ok(state.files().length <= 11);
});

test('who sends to one account pushes out no delivery to another', async (t) => {
  const state = await openState(t, 160);
  await state.own();
  const [one, two] = [state.open(), state.open()];
  for (let n = 0; n < 20; n++) deliver(one, n);
  for (let n = 100; n < 10_100; n++) {
    const victim = { ...identity(n) };
    one.begin(victim, 'flooded', `file ${n}`).stored();
    two.begin(victim, 'flooded', `file ${n}`).stored();
  }
  for (const memory of [one, two, state.open()])
    for (let n = 0; n < 20; n++) assert.ok(knows(memory, n), `${n}`);
  assert.deepEqual(state.files(), ['delivered.1', 'lock', 'secret']);
  // an eighth of a generation for each process, and the next generation gives it anew
  assert.ok(knows(one, 109) && !knows(one, 110));
  state.clock.now += GENERATION_MS;
  one.begin(identity(200), 'flooded', 'file').stored();
  assert.ok(knows(two, 200));
});

test('without a directory a process remembers alone, bounded', async (t) => {
  const state = await openState(t, 20);
  const alone = state.open({ directory: undefined });
  for (let n = 1; n <= 295; n++) deliver(alone, n);
  for (let n = 211; n <= 295; n++) assert.ok(knows(alone, n));
  assert.equal(knows(alone, 200), false);
  state.clock.now += WINDOW_MS;
  assert.equal(knows(alone, 295), false);
  assert.equal(alone.isShared, false);
  assert.deepEqual(state.faults, []);
});
