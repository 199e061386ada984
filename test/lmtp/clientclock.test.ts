// The clock of a client, with time and timers that the test moves.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Why } from '../../src/core/outcome.ts';
import { ClientClock } from '../../src/lmtp/clientclock.ts';
import { gate } from '../support/fakedisk.ts';

function openClock(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let micros = 0;
  const late: Why[] = [];
  const clock = new ClientClock({ micros: () => micros }, (why) => late.push(why));
  return {
    clock,
    late,
    pass(ms: number) {
      for (let passed = 0; passed < ms; passed++) {
        micros += 1000;
        t.mock.timers.tick(1);
      }
    },
  };
}

test('a client that sends nothing in its time is late, once', (t) => {
  const { clock, late, pass } = openClock(t);
  clock.expect(100, 'idle');
  pass(99);
  assert.deepEqual(late, []);
  pass(300);
  assert.deepEqual(late, ['idle']);
});

test('a new expectation replaces the one before, whether its time is longer or shorter', (t) => {
  const { clock, late, pass } = openClock(t);
  clock.expect(100, 'idle');
  pass(90);
  clock.expect(10, 'dataTooSlow');
  pass(9);
  clock.expect(200, 'idle');
  pass(199);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['idle']);
});

test('time in which the client waits for us does not count, that before and after it does', async (t) => {
  const { clock, late, pass } = openClock(t);
  const [outer, inner] = [gate(), gate()];
  clock.expect(100, 'dataTooSlow');
  pass(60);
  const work = clock.pause(() => outer.opened);
  const more = clock.pause(() => inner.opened);
  assert.ok(clock.isPaused);
  pass(1000);
  inner.open();
  await more;
  pass(1000);
  outer.open();
  await work;
  assert.ok(!clock.isPaused);
  pass(39);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['dataTooSlow']);
});

test('an expectation set during a pause has all its time when the pause is over', async (t) => {
  const { clock, late, pass } = openClock(t);
  const held = gate();
  const work = clock.pause(() => held.opened);
  clock.expect(100, 'idle');
  pass(1000);
  held.open();
  await work;
  pass(99);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['idle']);
});

test('work that fails sets the clock going again, and its error comes through', async (t) => {
  const { clock, late, pass } = openClock(t);
  clock.expect(100, 'idle');
  await assert.rejects(
    clock.pause(() => Promise.reject(new Error('no'))),
    /no/,
  );
  pass(100);
  assert.deepEqual(late, ['idle']);
});

test('after stop nothing is late any more, not even what is expected later', async (t) => {
  const { clock, late, pass } = openClock(t);
  const held = gate();
  clock.expect(100, 'idle');
  const work = clock.pause(() => held.opened);
  clock.stop();
  held.open();
  await work;
  clock.expect(100, 'idle');
  pass(1000);
  assert.deepEqual(late, []);
});
