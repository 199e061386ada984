// Many files in one go: the order of the calls, and which files a failure costs. No file counts as durable by
// an fsync of its directory that began before its rename, or that hid an error.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Answer, deliverAll, type Job } from '../../src/disk/batch.ts';
import { runAsync } from '../../src/disk/steps.ts';
import { filesBelow } from '../support/delivery.ts';
import { type DiskCall, diskError, FakeDisk } from '../support/fakedisk.ts';

const NAMES = ['a1', 'a2', 'b1', 'b2'];
const textOf = (name: string) => `text of ${name}, ${name.repeat(100)}`;

/** Files for two mailboxes, and one that is in tmp/ already. */
async function openBatch(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-batch-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const mailbox of ['a', 'b'])
    for (const name of ['tmp', 'new']) await mkdir(join(root, mailbox, name), { recursive: true });
  const place = (name: string, folder: string) => join(root, name.slice(0, 1), folder, name);
  const jobs: Job[] = NAMES.map((name) => ({
    from: place(name, 'tmp'),
    to: place(name, 'new'),
    mode: 0o600,
    bytes: Buffer.byteLength(textOf(name)),
  }));
  const staged = { from: place('a3', 'tmp'), to: place('a3', 'new') };
  const disk = new FakeDisk();
  const file = await disk.create(staged.from, 0o600);
  await file.writev([Buffer.from(textOf('a3'))]);
  await file.close();
  disk.calls.length = 0;
  const bytes = Buffer.from(NAMES.map(textOf).join(''));
  const deliver = () => runAsync(deliverAll(disk.batchCalls(), [...jobs, staged], bytes));
  const stored = async () => (await filesBelow(root)).map(({ path }) => path).sort();
  return { root, disk, deliver, stored, place };
}

const isError = (answer: Answer | undefined) => typeof answer === 'object';

test('each file is in new/ with its own bytes', async (t) => {
  const { deliver, stored, place } = await openBatch(t);
  assert.deepEqual((await deliver()).filter(isError), []);
  assert.deepEqual(await stored(), ['a/new/a1', 'a/new/a2', 'a/new/a3', 'b/new/b1', 'b/new/b2']);
  for (const name of [...NAMES, 'a3']) assert.equal(await readFile(place(name, 'new'), 'utf8'), textOf(name));
});

test('each file is synced before its rename, and each directory once, after all renames to it', async (t) => {
  const { disk, deliver } = await openBatch(t);
  await deliver();
  assert.equal(disk.named('sync').length, NAMES.length);
  for (const { path, endedAt = Infinity } of disk.named('sync')) {
    const renamed = disk.named('rename').find((call) => basename(call.path) === basename(path));
    assert.ok((renamed?.beganAt ?? 0) > endedAt);
  }
  assert.equal(disk.named('syncDirectory').length, 2);
  for (const { path, beganAt } of disk.named('syncDirectory'))
    for (const rename of disk.named('rename').filter((call) => call.path.startsWith(path)))
      assert.ok((rename.endedAt ?? Infinity) < beganAt);
});

for (const name of ['create', 'writev', 'sync', 'close', 'rename'] as const) {
  test(`F1: a ${name} that fails costs the one file, and nothing of it is left`, async (t) => {
    const { disk, deliver, stored } = await openBatch(t);
    let wasFailed = false;
    disk.trouble = {
      before(call) {
        if (call.name !== name || basename(call.path) !== 'a2' || wasFailed) return;
        wasFailed = true;
        throw diskError('EIO');
      },
    };
    const answers = await deliver();
    assert.deepEqual(answers.map(isError), [false, true, false, false, false]);
    assert.deepEqual(await stored(), ['a/new/a1', 'a/new/a3', 'b/new/b1', 'b/new/b2']);
    assert.deepEqual(disk.misuse, []);
    assert.equal(disk.named('close').length, disk.named('create').length - (name === 'create' ? 1 : 0));
  });
}

test('F5: a directory that cannot be synced fails all that went there, and none of them stays', async (t) => {
  const { disk, deliver, stored } = await openBatch(t);
  disk.trouble = {
    before({ name, path }) {
      if (name === 'syncDirectory' && path.includes('/a/')) throw diskError('EIO');
    },
  };
  const answers = await deliver();
  assert.deepEqual(answers.map(isError), [true, true, false, false, true]);
  assert.deepEqual(
    answers.filter(isError).map((answer) => (answer as NodeJS.ErrnoException).code),
    ['EIO', 'EIO', 'EIO'],
  );
  assert.deepEqual(await stored(), ['b/new/b1', 'b/new/b2']);
});

test('a staged file whose rename fails is left to who made it; a file of somebody else stays as it is', async (t) => {
  const { disk, deliver, stored, place } = await openBatch(t);
  const theirs = await disk.create(place('b1', 'tmp'), 0o600);
  await theirs.close();
  disk.trouble = {
    before({ name, path }) {
      if (name === 'rename' && basename(path) === 'a3') throw diskError('EIO');
    },
  };
  const answers = await deliver();
  assert.deepEqual(answers.map(isError), [false, false, true, false, true]);
  assert.equal((answers[2] as NodeJS.ErrnoException).code, 'EEXIST');
  assert.deepEqual(await stored(), ['a/new/a1', 'a/new/a2', 'a/tmp/a3', 'b/new/b2', 'b/tmp/b1']);
});

test('F4: writes cut short are completed, and one that makes no progress fails its file', async (t) => {
  for (const [maxWriteBytes, failures] of [
    [7, 0],
    [0, NAMES.length],
  ] as const) {
    const { disk, deliver, place } = await openBatch(t);
    disk.trouble = { maxWriteBytes };
    assert.equal((await deliver()).filter(isError).length, failures);
    if (failures === 0) assert.equal(await readFile(place('b2', 'new'), 'utf8'), textOf('b2'));
  }
});

test('a second error while tidying up does not hide the first', async (t) => {
  const { disk, deliver } = await openBatch(t);
  const failing: DiskCall['name'][] = ['sync', 'close', 'unlink'];
  disk.trouble = {
    before({ name }) {
      if (failing.includes(name)) throw diskError(name === 'sync' ? 'ENOSPC' : 'EIO');
    },
  };
  const [first] = await deliver();
  assert.equal((first as NodeJS.ErrnoException).code, 'ENOSPC');
});
