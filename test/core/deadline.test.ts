import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { within } from '../../src/core/deadline.ts';

const LATE = new Error('late');
const never = new Promise<never>(() => {});

test('within gives the value of a promise that settles first, and rejects as it does', async () => {
  assert.equal(await within(Promise.resolve(7), 1_000_000), 7);
  await assert.rejects(within(Promise.reject(LATE), 1_000_000), LATE);
});

test('within says "late" when the time is over and the promise has not settled', async () => {
  assert.equal(await within(never, 1), 'late');
});

test('within with no time left still takes what is settled already', async () => {
  assert.equal(await within(Promise.resolve(7), 0), 7);
});

test('a timer of within does not outlive its promise', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  await within(Promise.resolve(7), 1_000_000);
  await assert.rejects(within(Promise.reject(LATE), 1_000_000));
  assert.equal(timers(), before);
});

test('a promise that fails after it was given up is nobody’s unhandled rejection', async () => {
  const unhandled = mock.fn();
  process.on('unhandledRejection', unhandled);
  try {
    const { promise: one, reject: failOne } = withReject();
    assert.equal(await within(one, 0), 'late');
    failOne(new Error('after that'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(unhandled.mock.callCount(), 0);
  } finally {
    process.off('unhandledRejection', unhandled);
  }
});

function withReject(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  return { promise, reject };
}
