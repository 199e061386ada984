// Waiting for a client, with a clock and timers that the test moves.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Why } from '../../src/core/outcome.ts';
import { Patience } from '../../src/lmtp/clientclock.ts';
import { gate } from '../support/fakedisk.ts';

function openPatience(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let micros = 0;
  const late: Why[] = [];
  const patience = new Patience({ micros: () => micros }, (why) => late.push(why));
  return {
    patience,
    late,
    pass(ms: number) {
      for (let passed = 0; passed < ms; passed++) {
        micros += 1000;
        t.mock.timers.tick(1);
      }
    },
  };
}

test('what does not come within its time is late, once', (t) => {
  const { patience, late, pass } = openPatience(t);
  patience.expect(100, 'idle');
  pass(99);
  assert.deepEqual(late, []);
  pass(300);
  assert.deepEqual(late, ['idle']);
});

test('what comes in time makes place for what is due next, be its time longer or shorter', (t) => {
  const { patience, late, pass } = openPatience(t);
  patience.expect(100, 'idle');
  pass(90);
  patience.expect(10, 'dataTooSlow');
  pass(9);
  patience.expect(200, 'idle');
  pass(199);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['idle']);
});

test('time in which the client waits for us does not count, that before and after it does', async (t) => {
  const { patience, late, pass } = openPatience(t);
  const [outer, inner] = [gate(), gate()];
  patience.expect(100, 'dataTooSlow');
  pass(60);
  const work = patience.hold(() => outer.opened);
  const more = patience.hold(() => inner.opened);
  assert.ok(patience.isHeld);
  pass(1000);
  inner.open();
  await more;
  pass(1000);
  outer.open();
  await work;
  assert.ok(!patience.isHeld);
  pass(39);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['dataTooSlow']);
});

test('what is asked for during work of ours has all its time when the work is over', async (t) => {
  const { patience, late, pass } = openPatience(t);
  const held = gate();
  const work = patience.hold(() => held.opened);
  patience.expect(100, 'idle');
  pass(1000);
  held.open();
  await work;
  pass(99);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['idle']);
});

test('work that fails lets the clock go on, and its error through', async (t) => {
  const { patience, late, pass } = openPatience(t);
  patience.expect(100, 'idle');
  await assert.rejects(
    patience.hold(() => Promise.reject(new Error('no'))),
    /no/,
  );
  pass(100);
  assert.deepEqual(late, ['idle']);
});

test('after the end nothing is late any more, not even what is asked for then', async (t) => {
  const { patience, late, pass } = openPatience(t);
  const held = gate();
  patience.expect(100, 'idle');
  const work = patience.hold(() => held.opened);
  patience.stop();
  held.open();
  await work;
  patience.expect(100, 'idle');
  pass(1000);
  assert.deepEqual(late, []);
});
