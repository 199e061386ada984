// Deliveries that wait for a disk thread, on real threads and a real disk. A disk that hangs:
// test/e2e/frozen.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { replyOf, whyOfDiskError } from '../../src/core/outcome.ts';
import type { Job } from '../../src/disk/batch.ts';
import { HUNG_BATCHES, LATE_MS } from '../../src/disk/batchpace.ts';
import { FileSystem } from '../../src/disk/filesystem.ts';
import { Liveness } from '../../src/disk/liveness.ts';
import { DiskQueue } from '../../src/disk/queue.ts';
import { type BatchThread, DiskThread, SLOT_BYTES } from '../../src/disk/thread.ts';
import { POOL_SHARE, ThreadShare } from '../../src/disk/threadshare.ts';
import { realWorld } from '../../src/edge/world.ts';
import { type StillClock, stillClock } from '../support/clock.ts';
import { FakeDisk } from '../support/fakedisk.ts';
import { until } from '../support/until.ts';

const HUNG_MS = 60_000;
const world = realWorld('mx.example.com');
const FOLDERS = ['0', '1', '2'];

async function openQueue(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-queue-'));
  const threads: DiskThread[] = [];
  const beginThread = (changed: () => void) => {
    const thread = new DiskThread(world, changed);
    threads.push(thread);
    return thread;
  };
  const queue = new DiskQueue({ world, beginThread });
  const fileSystems = [fileSystemOf(world), fileSystemOf(world)];
  t.after(async () => {
    queue.close();
    await rm(root, { recursive: true, force: true });
  });
  for (const folder of ['tmp', ...FOLDERS]) await mkdir(join(root, folder));
  const placeOf = (n: number) => join(root, `${n % FOLDERS.length}`, `${n}`);
  const jobOf = (n: number, bytes: Buffer): Job => {
    return { from: join(root, 'tmp', `${n}`), to: placeOf(n), mode: 0o600, bytes: bytes.length };
  };
  const [one = fileSystemOf(world), other = one] = fileSystems;
  const deliver = (n: number, bytes: Buffer, fileSystem = one, isWanted = () => true) =>
    queue.submit(jobOf(n, bytes), fileSystem, isWanted, [bytes.subarray(0, 5), bytes.subarray(5)]);
  return { root, queue, threads, one, other, placeOf, jobOf, deliver };
}

function fileSystemOf(clock: Pick<StillClock, 'micros'>): FileSystem {
  const options = { calls: new FakeDisk().fileCalls(), world: clock, hungMs: HUNG_MS };
  return new FileSystem({ ...options, pool: new ThreadShare(POOL_SHARE, new Liveness(clock, HUNG_MS)) });
}

/** A queue whose threads do nothing until the test says how long each file's fsync has taken. */
function openHeldQueue(t: TestContext) {
  const clock = stillClock();
  const underWay: ((fsyncMs: number) => void)[] = [];
  const beginThread = (changed: () => void) => {
    let state: BatchThread['state'] = 'idle';
    let since = 0;
    const become = (next: typeof state) => {
      state = next;
      since = clock.micros() / 1000;
    };
    const thread: BatchThread = {
      get state() {
        return state;
      },
      get since() {
        return since;
      },
      failure: undefined,
      perform({ jobs }) {
        become('busy');
        return new Promise((resolve) =>
          underWay.push((fsyncMs) => {
            become('idle');
            resolve({ answers: jobs.map(() => fsyncMs), fsyncMs });
          }),
        );
      },
      end() {},
    };
    setImmediate(changed);
    return thread;
  };
  const queue = new DiskQueue({ world: clock, beginThread });
  t.after(() => queue.close());
  return { queue, clock, underWay };
}

test('many at once, of several file systems, each with bytes of its own, do not mix', async (t) => {
  const { root, deliver, placeOf, one, other } = await openQueue(t);
  const bytesOf = (n: number) => Buffer.alloc(10 + ((n * 7919) % 300_000), `${n}.`);
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  await Promise.all(numbers.map((n) => deliver(n, bytesOf(n), n % 2 === 0 ? one : other)));
  for (const n of numbers) assert.ok(bytesOf(n).equals(await readFile(placeOf(n))), `file ${n}`);
  assert.deepEqual(await readdir(join(root, 'tmp')), []);
});

test('what fails in a batch fails alone', async (t) => {
  const { root, deliver, placeOf } = await openQueue(t);
  await rm(join(root, '1'), { recursive: true });
  const bytes = Buffer.from('a message');
  const results = await Promise.allSettled([0, 1, 2, 3, 4, 5].map((n) => deliver(n, bytes)));
  for (const [n, result] of results.entries()) {
    if (n % 3 !== 1) assert.ok(bytes.equals(await readFile(placeOf(n))));
    else assert.equal(result.status === 'rejected' && result.reason.code, 'ENOENT');
  }
  assert.deepEqual(await readdir(join(root, 'tmp')), []);
});

test('F15: a thread that ends fails its batch, and what comes later is done by a new one', async (t) => {
  const { queue, jobOf, deliver, one, other } = await openQueue(t);
  const bytes = Buffer.from('a message');
  // in a process it happens out of memory, or by a bug; here by a job that arrives as none
  const deadly = (n: number) => ({ ...jobOf(n, bytes), toJSON: () => null });
  for (const n of [0, 10, 20]) {
    assert.equal(typeof (await deliver(n, bytes)), 'number');
    const results = await Promise.allSettled([
      queue.submit(deadly(n + 1), one, () => true, [bytes]),
      deliver(n + 2, bytes),
      deliver(n + 3, bytes, other), // another file system is another batch
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    );
    const { code, enhanced } = replyOf(whyOfDiskError((results[1] as PromiseRejectedResult).reason));
    assert.equal(`${code} ${enhanced}`, '451 4.3.0');
  }
});

for (const [disk, fsyncMs, isSeveral] of [
  ['slow', 10, true],
  ['fast', 0.01, false],
] as const)
  test(`on a ${disk} disk ${isSeveral ? 'several batches go' : 'one batch goes'} at a time`, async (t) => {
    const { queue, underWay } = openHeldQueue(t);
    const clock = stillClock();
    const fileSystem = fileSystemOf(clock);
    const deliver = (n: number) => queue.submit({ from: `tmp/${n}`, to: `to${n}/m` }, fileSystem, () => true);
    const all = Array.from({ length: 200 }, (_, n) => deliver(n));
    let most = 0;
    let isOver = false;
    Promise.all(all).then(() => {
      isOver = true;
    });
    while (!isOver) {
      await new Promise(setImmediate);
      most = Math.max(most, underWay.length);
      // the first batch stays as long as a second thread may need to begin
      underWay.shift()?.(fsyncMs);
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
      most = Math.max(most, underWay.length);
    }
    assert.equal(most > 1, isSeveral, `${most} at once`);
  });

test('F21: small messages for several hung file systems keep no thread from another one', async (t) => {
  const { queue, underWay, clock } = openHeldQueue(t);
  let count = 0;
  const submit = async (fileSystem: FileSystem) => {
    const n = ++count;
    queue.submit({ from: `tmp/${n}`, to: `to${n}/m` }, fileSystem, () => true).catch(() => {});
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  };
  const hung = Array.from({ length: 5 }, () => fileSystemOf(clock));
  for (let round = 0; round < 20; round++) {
    for (const fileSystem of hung) await submit(fileSystem);
    clock.pass(LATE_MS);
  }
  assert.equal(underWay.length, 5 * HUNG_BATCHES);
  await submit(fileSystemOf(clock));
  assert.equal(underWay.length, 5 * HUNG_BATCHES + 1);
});

test('more than goes in one go is refused, not cut', async (t) => {
  const { root, deliver } = await openQueue(t);
  assert.throws(() => deliver(1, Buffer.alloc(SLOT_BYTES + 1)), RangeError);
  assert.deepEqual(await readdir(join(root, 'tmp')), []);
});

test('an abandoned job is not done when its turn comes', async (t) => {
  const { root, deliver, one } = await openQueue(t);
  let isWanted = true;
  const delivering = deliver(1, Buffer.from('a message'), one, () => isWanted);
  isWanted = false;
  await assert.rejects(delivering, /given up/);
  await deliver(4, Buffer.from('a message'));
  assert.deepEqual(await readdir(join(root, '1')), ['4']);
});

test('a closed queue fails the jobs that are queued and those that come', async (t) => {
  const { queue, deliver } = await openQueue(t);
  const waiting = deliver(1, Buffer.from('a message'));
  queue.close();
  await assert.rejects(waiting, /closed/);
  assert.throws(() => deliver(2, Buffer.from('a message')), /closed/);
});

test('F15: a thread that ends while it has nothing to do is replaced', async (t) => {
  const { deliver, threads } = await openQueue(t);
  await deliver(1, Buffer.from('a message'));
  const [thread] = threads;
  assert.ok(thread !== undefined);
  thread.end();
  await until('it has ended', () => thread.state === 'gone');
  await deliver(3, Buffer.from('a message'));
  assert.equal(threads.length, 2);
});
