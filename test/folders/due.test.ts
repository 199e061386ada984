// What waits to be looked at: merged by folder, taken when it is due, and bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Due, type Place, type Waiting } from '../../src/folders/due.ts';

function place(path: string): Place {
  return { address: 'a@example.com', mailbox: '/m', name: 'Sent', directory: '.Sent', path };
}

function waiting(path: string, rest: Partial<Waiting> = {}): Waiting {
  return { place: place(path), names: new Set(['1']), sinceMs: 5, dueAt: 10, ...rest };
}

test('what waits for one folder is taken at once, when the first of it is due', () => {
  const due = new Due();
  due.add(waiting('/m/.Sent', { dueAt: 30, sinceMs: 7 }));
  due.add(waiting('/m/.Sent', { names: new Set(['2']), dueAt: 20 }));
  due.add(waiting('/n/.Sent', { dueAt: 40, sinceMs: 3 }));
  assert.deepEqual([due.earliest, due.sinceMs], [20, 3]);
  assert.deepEqual(due.take(19), []);
  const [taken, ...others] = due.take(20);
  assert.deepEqual(
    [taken?.place.path, [...(taken?.names ?? [])], taken?.sinceMs],
    ['/m/.Sent', ['1', '2'], 5],
  );
  assert.deepEqual(others, []);
  assert.equal(due.earliest, 40);
});

test('more names than can be kept become all that has changed', () => {
  const due = new Due();
  for (let n = 0; n < 1001; n++) due.add(waiting('/m', { names: new Set([`${n}`]) }));
  assert.equal(due.take(10)[0]?.names, undefined);
});

test('folders that there is no room for are left to the next sweep, which is known', () => {
  const due = new Due();
  for (let n = 0; n < 20_000; n++) due.add(waiting(`/${n}`));
  assert.equal(due.isOverfull, false);
  due.add(waiting('/more'));
  assert.equal(due.isOverfull, true);
  assert.equal(due.take(10).length, 20_000);
  assert.equal(due.earliest, Number.POSITIVE_INFINITY);
});
