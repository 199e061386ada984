// Each file system has a share of the threads: shown on two that every Linux has.

import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FileSystems } from '../../src/disk/filesystems.ts';
import { sharedCalls } from '../../src/disk/sharedcalls.ts';
import { stillClock } from '../support/clock.ts';
import { type DiskCall, FakeDisk, type Gate, gate } from '../support/fakedisk.ts';
import { until } from '../support/until.ts';

const MOST_CALLS = 3;
const HUNG_MS = 30_000;

/** Calls hang before they take effect if they are about something in the first directory. */
async function openTwo(t: TestContext) {
  const [hangs, other] = await Promise.all(
    [tmpdir(), '/dev/shm'].map((parent) => mkdtemp(join(parent, 'sealdir-'))),
  );
  assert.ok(hangs !== undefined && other !== undefined);
  t.after(async () => {
    for (const directory of [hangs, other]) await rm(directory, { recursive: true });
  });
  const isOneFileSystem = (await stat(hangs)).dev === (await stat(other)).dev;
  const fake = new FakeDisk();
  const thaw: Gate = gate();
  const isHeld = ({ name, path }: DiskCall) => name !== 'readlink' && path.startsWith(hangs);
  fake.trouble = { before: (call) => (isHeld(call) ? thaw.opened : undefined) };
  const clock = stillClock();
  const calls = fake.fileCalls();
  const disk = sharedCalls(calls, new FileSystems({ calls, world: clock, hungMs: HUNG_MS }), () => true);
  return { hangs, other, fake, thaw, disk, clock, isOneFileSystem };
}

const names = Array.from({ length: 10 }, (_, n) => `file${n}`);

test('a file system that hangs has no more than its share of calls under way, and another is served', async (t) => {
  const { hangs, other, fake, thaw, disk, isOneFileSystem } = await openTwo(t);
  if (isOneFileSystem) return t.skip('left out: needs /tmp and /dev/shm on different file systems');
  const creating = Promise.all(names.map((name) => disk.create(join(hangs, name), 0o600)));
  for (const name of names) await (await disk.create(join(other, name), 0o600)).close();
  assert.equal(fake.named('create').filter(({ path }) => path.startsWith(hangs)).length, MOST_CALLS);
  thaw.open();
  for (const file of await creating) await file.close();
  for (const name of names) await stat(join(hangs, name));
});

test('where a whole share got no answer for too long, further calls fail at once until one has come', async (t) => {
  const { hangs, fake, thaw, disk, clock } = await openTwo(t);
  const creating = names.slice(0, MOST_CALLS).map((name) => disk.create(join(hangs, name), 0o600));
  await until('all of them wait', () => fake.named('create').length === MOST_CALLS);
  clock.pass(HUNG_MS + 1);
  await assert.rejects(disk.create(join(hangs, 'late'), 0o600), /does not answer/);
  thaw.open();
  for (const file of await Promise.all(creating)) await file.close();
  await (await disk.create(join(hangs, 'late'), 0o600)).close();
});

test('a call that fails gives its thread back', async (t) => {
  const { other, disk } = await openTwo(t);
  for (const name of names) await assert.rejects(disk.unlink(join(other, name)), { code: 'ENOENT' });
  await (await disk.create(join(other, 'file'), 0o600)).close();
});

test('a directory that is not there belongs to the file system it would be on', async (t) => {
  const { other, disk } = await openTwo(t);
  await assert.rejects(disk.create(join(other, 'no/such/directory/file'), 0o600), { code: 'ENOENT' });
});

test('an unlink is never refused, since it undoes something: it waits for its turn', async (t) => {
  const { hangs, fake, thaw, disk, clock } = await openTwo(t);
  const old = join(hangs, 'old');
  await writeFile(old, '');
  const creating = names.slice(0, MOST_CALLS).map((name) => disk.create(join(hangs, name), 0o600));
  await until('all of them wait', () => fake.named('create').length === MOST_CALLS);
  clock.pass(HUNG_MS + 1);
  const unlinking = disk.unlink(old);
  thaw.open();
  for (const file of await Promise.all(creating)) await file.close();
  await unlinking;
  await assert.rejects(stat(old), { code: 'ENOENT' });
});
