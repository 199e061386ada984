// The memory of deliveries on real files: shared by processes, bounded, and no obstacle for mail.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type MemoryOptions, RememberedDeliveries } from '../../src/duplicates/memory.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

const WINDOW_MS = 10_000;

/** A state directory and the processes that use it, with a clock that the test sets. */
async function openState(t: TestContext, mostRecords = 1000) {
  const parent = await mkdtemp(join(tmpdir(), 'sealdir-state-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  const directory = join(parent, 'state');
  const clock = { now: 1_000_000 };
  const faults: unknown[] = [];
  const opened = new Set<RememberedDeliveries>();
  t.after(() => {
    for (const each of opened) each.close();
  });
  const process = (options: Partial<MemoryOptions> = {}) => {
    const world = { now: () => clock.now, random: randomBytes };
    const fault = (error: unknown) => faults.push(error);
    const delivered = new RememberedDeliveries({
      directory,
      windowMs: WINDOW_MS,
      world,
      fault,
      mostRecords,
      ...options,
    });
    opened.add(delivered);
    return delivered;
  };
  return { parent, directory, clock, faults, process, files: () => readdirSync(directory).sort() };
}

/** 16 bytes of many values, among them line ends and the mark of a record. */
const identity = (n: number) => Buffer.alloc(16, `sealdir\n\xff${n}.`, 'latin1').toString('latin1');

test('what one process adds, the others and the next one know', async (t) => {
  const state = await openState(t);
  const [one, two] = [state.process(), state.process()];
  assert.deepEqual(one.secret, two.secret);
  assert.equal(two.has(identity(1)), false);
  one.add(identity(1));
  two.add(identity(2));
  for (const process of [one, two, state.process()]) {
    assert.deepEqual(
      [1, 2, 3].map((n) => process.has(identity(n))),
      [true, true, false],
    );
  }
  assert.deepEqual(state.faults, []);
});

test('a delivery is forgotten when the window is over, by those who saw it and by those who read it', async (t) => {
  const state = await openState(t);
  const [one, two] = [state.process(), state.process()];
  one.add(identity(1));
  state.clock.now += WINDOW_MS - 1;
  assert.ok(one.has(identity(1)) && two.has(identity(1)));
  two.add(identity(2));
  state.clock.now += 1;
  for (const process of [one, two, state.process()]) {
    assert.equal(process.has(identity(1)), false);
    assert.equal(process.has(identity(2)), true);
  }
});

test('files and memory are bounded; the newest records stay, also for a process that slept', async (t) => {
  const state = await openState(t, 10);
  const [busy, sleeper] = [state.process(), state.process()];
  for (let n = 1; n <= 95; n++) busy.add(identity(n));
  assert.deepEqual(state.files(), ['delivered.10', 'delivered.9', 'secret']);
  for (const process of [busy, sleeper, state.process()]) {
    for (let n = 86; n <= 95; n++) assert.ok(process.has(identity(n)), `${n}`);
    assert.equal(process.has(identity(80)), false);
  }
  sleeper.add(identity(96));
  assert.ok(busy.has(identity(96)));
  assert.deepEqual(state.files(), ['delivered.10', 'delivered.9', 'secret']);
});

test('two generations in the hands of several processes lose no record of the newest', async (t) => {
  const state = await openState(t, 10);
  const processes = [state.process(), state.process(), state.process()];
  for (let n = 0; n < 200; n++) {
    processes[n % 3]?.add(identity(n));
    for (let m = Math.max(0, n - 9); m <= n; m++)
      assert.ok(processes[(n * 7 + m) % 3]?.has(identity(m)), `${m} of ${n}`);
  }
});

for (const [what, damage] of [
  ['half of a record', Buffer.from('sealdir\nsealdir')],
  ['zeros', Buffer.alloc(320)],
] as const) {
  test(`a file with ${what} in it is given up, and all processes go on in the next one`, async (t) => {
    const state = await openState(t);
    const [one, two] = [state.process(), state.process()];
    one.add(identity(1));
    appendFileSync(join(state.directory, 'delivered.1'), damage);
    one.add(identity(2)); // after the damage, where the others may not see it
    for (const [process, n] of [
      [two, 3],
      [one, 4],
    ] as const) {
      assert.equal(process.has(identity(n)), false); // as a delivery does: it asks first
      process.add(identity(n));
    }
    for (const process of [one, two, state.process()]) {
      for (const n of [1, 3, 4]) assert.ok(process.has(identity(n)), `${n}`);
      assert.equal(process.has(identity(5)), false);
    }
    assert.ok(state.files().includes('delivered.2'));
    assert.deepEqual(state.faults, []);
  });
}

test('the secret is for the owner alone, is made once, and a broken one is said, not used', async (t) => {
  const state = await openState(t);
  const { secret } = state.process();
  const path = join(state.directory, 'secret');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(state.directory).mode & 0o777, 0o700);
  assert.deepEqual(readFileSync(path), secret);
  writeFileSync(path, secret.subarray(0, 31));
  const alone = state.process();
  assert.equal(alone.secret.length, 32);
  assert.match(String(state.faults[0]), /secret has 31 bytes, not 32/);
  assert.equal(alone.isShared, false);
});

test('a process that cannot open all of its directory keeps out of it', async (t) => {
  const state = await openState(t);
  await mkdir(join(state.directory, 'delivered.0'), { recursive: true });
  const alone = state.process();
  alone.add(identity(1));
  assert.ok(alone.has(identity(1)));
  assert.equal(alone.isShared, false);
  assert.match(String(state.faults), /EISDIR/);
  assert.equal(statSync(join(state.directory, 'delivered.1')).size, 0);
});

test('without its directory a process remembers alone, bounded, and says so once', async (t) => {
  const state = await openState(t, 10);
  const alone = state.process({ directory: join(state.parent, 'not/there') });
  for (let n = 1; n <= 95; n++) alone.add(identity(n));
  for (let n = 86; n <= 95; n++) assert.ok(alone.has(identity(n)));
  assert.equal(alone.has(identity(70)), false);
  state.clock.now += WINDOW_MS;
  assert.equal(alone.has(identity(95)), false);
  assert.equal(alone.isShared, false);
  assert.equal(state.faults.length, 1);
});

test('a directory that fails later is said once; the process goes on alone until it works again', async (t) => {
  const state = await openState(t, 10);
  const one = state.process();
  one.add(identity(0));
  rmSync(state.directory, { recursive: true });
  for (let n = 1; n <= 35; n++) {
    one.add(identity(n));
    assert.ok(one.has(identity(n)));
  }
  assert.equal(one.isShared, false);
  assert.equal(state.faults.length, 1);
  const two = state.process(); // makes it again
  for (let n = 40; n <= 60; n++) one.add(identity(n));
  assert.ok(one.isShared);
  assert.ok(one.has(identity(60)));
  assert.ok(readdirSync(state.directory).length >= 2);
  assert.equal(two.isShared, true);
});

test(
  'on a full disk a process goes on alone, and shares again when there is room',
  needs('root', 'mount', 'umount'),
  async (t) => {
    const state = await openState(t);
    await mkdir(state.directory);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'sealdir-test', state.directory]);
    if (mounted.code !== 0) return t.skip(`left out: mount is not permitted here (${mounted.stderr.trim()})`);
    const [one, two] = [state.process(), state.process()];
    try {
      for (let n = 0; n < 200; n++) one.add(identity(n)); // 8 KiB: the secret, and 128 records
      assert.ok(one.has(identity(199)));
      assert.equal(one.isShared, false);
      assert.match(String(state.faults), /^Error: ENOSPC[^:]*: [^,]*, write$/);
      assert.deepEqual(
        [127, 128].map((n) => two.has(identity(n))),
        [true, false],
      );
      await run('mount', ['-o', 'remount,size=64k', state.directory]);
      one.add(identity(200));
      assert.ok(one.isShared);
      assert.ok(two.has(identity(200)));
    } finally {
      for (const each of [one, two]) each.close();
      await run('umount', [state.directory]);
    }
  },
);
