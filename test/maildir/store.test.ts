// The Maildir store when all goes well: names, modes, the order of the disk calls.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { World } from '../../src/core/world.ts';
import { realWorld } from '../../src/edge/world.ts';
import { Store } from '../../src/maildir/store.ts';
import { filesBelow, UNMETERED } from '../support/delivery.ts';
import { diskError, FakeDisk } from '../support/fakedisk.ts';

async function openStore(t: TestContext, world: Partial<World> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-store-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const disk = new FakeDisk();
  const parts = {
    disk,
    world: { ...realWorld('mx.example.com'), ...world },
    meter: UNMETERED,
    roots: [root],
  };
  const mailbox = join(root, 'example.com/alice');
  return { root, disk, mailbox, store: new Store(parts) };
}

async function storeBytes(store: Store, mailbox: string, bytes: Buffer): Promise<void> {
  const file = store.stage(mailbox);
  await file.write([bytes]);
  await file.finish();
  await file.commit(bytes.length, bytes.length + 2);
}

test('nothing is on disk before the first write', async (t) => {
  const { store, disk, mailbox } = await openStore(t);
  store.stage(mailbox);
  assert.deepEqual(disk.calls, []);
});

test('the bytes written are in new/ under a name that ends in the sizes given', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  const bytes = Buffer.from('line\nline\n');
  const file = store.stage(mailbox);
  await file.write([bytes]);
  await file.finish();
  await file.commit(10, 12);
  const [stored, ...others] = await filesBelow(root);
  assert.deepEqual(others, []);
  assert.deepEqual(stored?.bytes, bytes);
  assert.match(
    stored.path,
    /^example\.com\/alice\/new\/\d+\.M\d+P\d+Q\d+R[0-9a-f]{16}\.mx\.example\.com,S=10,W=12$/,
  );
  assert.equal(basename(stored.path), file.finalName(10, 12));
});

test('ten thousand names are distinct, even when the clock stands still', async (t) => {
  const { store, mailbox } = await openStore(t, { now: () => 1_700_000_000_000, micros: () => 0 });
  const names = Array.from({ length: 10_000 }, () => store.stage(mailbox).finalName(1, 1));
  assert.equal(new Set(names).size, names.length);
});

test('two processes with one pid and one clock make distinct names', async (t) => {
  const frozen = { now: () => 1_700_000_000_000, micros: () => 0, pid: 1 };
  const [one, other] = [await openStore(t, frozen), await openStore(t, frozen)];
  assert.notEqual(one.store.stage('m').finalName(1, 1), other.store.stage('m').finalName(1, 1));
});

test('a slash or colon in the host name does not reach the file name', async (t) => {
  const { store, mailbox, root } = await openStore(t, { host: 'a/b:c' });
  await storeBytes(store, mailbox, Buffer.from('x'));
  const [stored] = await filesBelow(root);
  assert.match(stored?.path ?? '', /\.a\\057b\\072c,S=1,W=3$/);
});

test('a host name of 255 characters still gives a file name that fits', async (t) => {
  const { store, mailbox, root } = await openStore(t, { host: 'h'.repeat(255) });
  await storeBytes(store, mailbox, Buffer.from('x'));
  assert.equal((await filesBelow(root)).length, 1);
});

test('files are for their owner alone, directories too', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  const file = store.stage(mailbox);
  await file.write([Buffer.alloc(300_000)]);
  const [staged] = await filesBelow(root);
  assert.match(staged?.path ?? '', /\/tmp\//);
  assert.equal((await stat(join(root, staged?.path ?? ''))).mode & 0o777, 0o600);
  await file.finish();
  await file.commit(1, 1);
  const [stored] = await filesBelow(root);
  assert.equal((await stat(join(root, stored?.path ?? ''))).mode & 0o777, 0o600);
  for (const path of ['..', '.', 'tmp', 'new', 'cur']) {
    assert.equal((await stat(join(mailbox, path))).mode & 0o777, 0o700, path);
  }
});

test('the file is synced before it is renamed, and new/ after it', async (t) => {
  const { store, disk, mailbox } = await openStore(t);
  await storeBytes(store, mailbox, Buffer.from('x'));
  const steps = disk.calls.slice(disk.calls.findIndex(({ name }) => name === 'create'));
  assert.deepEqual(
    steps.map(({ name }) => name),
    ['create', 'writev', 'sync', 'close', 'rename', 'syncDirectory'],
  );
  for (const [n, step] of steps.entries()) {
    assert.ok(n === 0 || step.beganAt > (steps[n - 1]?.endedAt ?? Infinity), `${step.name} began too early`);
  }
  assert.equal(steps.at(-1)?.path, join(mailbox, 'new'));
});

test('a new Maildir is synced up to the root, and no further, before its first file is created', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  await storeBytes(store, mailbox, Buffer.from('x'));
  const created = disk.named('create')[0]?.beganAt ?? 0;
  const synced = disk.named('syncDirectory').filter(({ endedAt = 0 }) => endedAt < created);
  assert.deepEqual(
    synced.map(({ path }) => path),
    [mailbox, join(root, 'example.com'), root],
  );
  const made = disk.named('mkdir').map(({ endedAt = Infinity }) => endedAt);
  assert.ok(Math.max(...made) < (synced[0]?.beganAt ?? 0), 'a directory was made after the sync');
});

test('directories made by somebody else are synced too, once per mailbox', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  for (const name of ['tmp', 'new', 'cur']) await mkdir(join(mailbox, name), { recursive: true });
  await storeBytes(store, mailbox, Buffer.from('x'));
  await storeBytes(store, mailbox, Buffer.from('y'));
  const paths = disk.named('syncDirectory').map(({ path }) => path);
  const inNew = join(mailbox, 'new');
  assert.deepEqual(paths, [mailbox, join(root, 'example.com'), root, inNew, inNew]);
});

test('many small pieces arrive whole and in order', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, n) => n % 251));
  const file = store.stage(mailbox);
  for (let at = 0; at < bytes.length; at++) await file.write([bytes.subarray(at, at + 1)]);
  await file.finish();
  await file.commit(bytes.length, bytes.length);
  const [stored] = await filesBelow(root);
  assert.deepEqual(stored?.bytes, bytes);
});

test('the size in the name is the size of the file, for many files at once', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  const sizes = [1, 65_535, 65_536, 262_144, 400_001];
  await Promise.all(sizes.map((size) => storeBytes(store, mailbox, Buffer.alloc(size, 1))));
  const files = await filesBelow(root);
  assert.equal(files.length, sizes.length);
  for (const { path, bytes } of files) {
    assert.equal(Number(/,S=(\d+),/.exec(path)?.[1]), bytes.length);
    assert.equal((await readFile(join(root, path))).length, bytes.length);
  }
});

for (const [size, bytes] of [
  ['small', 100_000],
  ['large', 400_000],
] as const) {
  test(`the owned memory of a ${size} message goes back when it is on disk, no other, and never before`, async (t) => {
    const { store, disk, mailbox, root } = await openStore(t);
    const [shared, given] = [Buffer.alloc(bytes / 2, 'a'), Buffer.alloc(bytes / 2, 'b')];
    const expected = Buffer.concat([shared, given]);
    disk.trouble = {
      before({ name }) {
        if (name === 'writev') assert.equal(given.length, bytes / 2);
      },
    };
    const file = store.stage(mailbox);
    await file.write([shared]);
    await file.writeOwned([given]);
    assert.equal(file.bytes, bytes);
    await file.finish();
    assert.equal(file.bytes, bytes);
    await file.commit(bytes, bytes);
    assert.equal(given.length, 0);
    assert.equal(shared.length, bytes / 2);
    assert.deepEqual((await filesBelow(root))[0]?.bytes, expected);
  });
}

test('memory given stays where the write failed: the kernel may still read from it', async (t) => {
  const { store, disk, mailbox } = await openStore(t);
  disk.trouble = {
    before({ name }) {
      if (name === 'writev') throw diskError('EIO');
    },
  };
  const given = Buffer.alloc(400_000);
  const file = store.stage(mailbox);
  await assert.rejects(async () => file.writeOwned([given]), { code: 'EIO' });
  await file.abort();
  assert.equal(given.length, 400_000);
});
