// A state directory that fails is no obstacle for mail.

import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { deliver, knows, openState } from '../support/memory.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

for (const [what, damage] of [
  ['half of a record', Buffer.from('sealdir\nsealdir')],
  ['zeros', Buffer.alloc(320)],
] as const) {
  test(`a file with ${what} in it is given up, and all processes go on in the next one`, async (t) => {
    const state = await openState(t);
    await state.own();
    const [one, two] = [state.open(), state.open()];
    deliver(one, 1);
    appendFileSync(join(state.directory, 'delivered.1'), damage);
    for (const [memory, n] of [
      [two, 3],
      [one, 4],
    ] as const)
      assert.equal(deliver(memory, n), 'unknown');
    for (const memory of [one, two, state.open()]) {
      for (const n of [1, 3, 4]) assert.ok(knows(memory, n), `${n}`);
      assert.equal(knows(memory, 5), false);
    }
    assert.ok(state.files().includes('delivered.2'));
    assert.deepEqual(state.faults, []);
  });
}

test('a process that cannot open all of its directory keeps out of it', async (t) => {
  const state = await openState(t);
  await state.own();
  await mkdir(join(state.directory, 'delivered.1'), { recursive: true });
  const alone = state.open();
  deliver(alone, 1);
  assert.ok(knows(alone, 1));
  assert.equal(alone.isShared, false);
  assert.match(String(state.faults), /is no regular file/);
  assert.deepEqual(readdirSync(join(state.directory, 'delivered.1')), []);
});

test('a directory that goes away is said once; the process goes on alone, and keeps out of one made anew', async (t) => {
  const state = await openState(t, 20);
  await state.own();
  const one = state.open();
  deliver(one, 0);
  rmSync(state.directory, { recursive: true });
  for (let n = 1; n <= 35; n++) {
    deliver(one, n);
    assert.ok(knows(one, n));
  }
  assert.equal(one.isShared, false);
  assert.equal(state.faults.length, 1);
  await state.own(); // another server makes it again, with a secret of its own
  const other = state.open();
  for (let n = 40; n <= 60; n++) deliver(one, n);
  assert.equal(one.isShared, false);
  assert.ok(knows(one, 60));
  assert.equal(knows(other, 60), false);
  assert.equal(other.isShared, true);
  assert.deepEqual(state.records(), [0]);
});

test(
  'on a full disk a process goes on alone, and shares again when there is room',
  needs('root', 'mount', 'umount'),
  async (t) => {
    const state = await openState(t);
    await mkdir(state.directory, 0o700);
    const mounted = await run('mount', [
      '-t',
      'tmpfs',
      '-o',
      'size=8k,mode=700',
      'sealdir-test',
      state.directory,
    ]);
    if (mounted.code !== 0) return t.skip(`left out: mount is not permitted here (${mounted.stderr.trim()})`);
    const owned = await state.own();
    const [one, two] = [state.open(), state.open()];
    try {
      for (let n = 0; n < 200; n++) deliver(one, n); // 8 KiB: the secret, and 128 records
      assert.ok(knows(one, 199));
      assert.equal(one.isShared, false);
      assert.match(String(state.faults), /^Error: ENOSPC[^:]*: [^,]*, write$/);
      assert.deepEqual(
        [63, 64].map((n) => knows(two, n)),
        [true, false],
      );
      await run('mount', ['-o', 'remount,size=64k', state.directory]);
      deliver(one, 200);
      assert.ok(one.isShared);
      assert.ok(knows(two, 200));
    } finally {
      for (const each of [one, two]) each.close();
      owned.release();
      await run('umount', [state.directory]);
    }
  },
);
