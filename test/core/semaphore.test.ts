// How much goes at one time, in which order, and after errors.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Semaphore } from '../../src/core/semaphore.ts';

test('so many go at one time, in the order in which they came, and an error frees its place', async () => {
  const semaphore = new Semaphore(2, 60_000);
  let running = 0;
  const begun: number[] = [];
  const work = (n: number) => async () => {
    begun.push(n);
    running++;
    assert.ok(running <= 2);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (n % 3 === 0) throw new Error(String(n));
    return n;
  };
  const all = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => semaphore.run(work(n))));
  assert.deepEqual(begun, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(
    all.map(({ status }) => status === 'rejected'),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => n % 3 === 0),
  );
});

test('what has waited too long is not begun, and holds up nobody', async () => {
  const semaphore = new Semaphore(1, 20);
  let begun = 0;
  const slow = semaphore.run(() => new Promise((resolve) => setTimeout(resolve, 60)));
  const waiting = Array.from({ length: 50 }, () => semaphore.run(async () => void begun++));
  await slow;
  const ended = await Promise.allSettled(waiting);
  assert.ok(ended.every(({ status }) => status === 'rejected'));
  assert.equal(begun, 0);
  assert.equal(await semaphore.run(async () => 'next'), 'next');
});
