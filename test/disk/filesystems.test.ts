// What is free on a file system: asked once for all who want to know, and never waited for twice.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FileSystems } from '../../src/disk/filesystems.ts';
import { stillClock } from '../support/clock.ts';
import { diskError, FakeDisk, gate } from '../support/fakedisk.ts';

/** Every question about free space is answered by its number. */
async function openFileSystems(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  t.after(() => rm(directory, { recursive: true }));
  const clock = stillClock();
  const disk = new FakeDisk();
  const asked = () => disk.named('statfs').length;
  disk.trouble.left = () => ({ files: 1000, bytes: asked() });
  disk.trouble.mounts = () =>
    new Map([
      ['/', '1'],
      [join(directory, 'other'), '2'],
    ]);
  const fileSystems = new FileSystems({ calls: disk.fileCalls(), world: clock, hungMs: 60_000 });
  const bytes = async (path: string) => (await fileSystems.free(path))?.bytes;
  return { directory, clock, disk, fileSystems, bytes, asked };
}

test('free space is asked for once a second for all directories of a file system', async (t) => {
  const { directory, clock, bytes } = await openFileSystems(t);
  assert.equal(await bytes(directory), 1);
  clock.pass(1000);
  assert.equal(await bytes(directory), 1);
  assert.equal(await bytes(join(directory, 'new/mailbox')), 1);
  clock.pass(1);
  assert.equal(await bytes(directory), 2);
});

test('all who ask while a question is open get its answer', async (t) => {
  const { directory, disk, bytes, asked } = await openFileSystems(t);
  const answer = gate();
  await bytes(directory); // where the directory is has been found out
  const before = asked();
  disk.trouble.before = ({ name }) => (name === 'statfs' ? answer.opened : undefined);
  const fresh = new FileSystems({ calls: disk.fileCalls(), world: stillClock(), hungMs: 60_000 });
  const all = [fresh.free(directory), fresh.free(directory), fresh.free(directory)];
  answer.open();
  assert.deepEqual(
    (await Promise.all(all)).map((free) => free?.bytes),
    [before + 1, before + 1, before + 1],
  );
  assert.equal(asked(), before + 1);
});

for (const name of ['readlink', 'statfs'] as const)
  test(`a ${name} that hangs is waited for once, not asked again while it does, and counts once it answers`, async (t) => {
    const { directory, clock, disk, bytes } = await openFileSystems(t);
    const answer = gate();
    disk.trouble.before = (call) => (call.name === name ? answer.opened : undefined);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const waiting = bytes(directory);
    while (disk.named(name).length === 0) await new Promise(setImmediate);
    t.mock.timers.tick(1000);
    assert.equal(await waiting, undefined);
    clock.pass(5000);
    assert.equal(await bytes(directory), undefined);
    assert.equal(disk.named(name).length, 1);
    answer.open();
    t.mock.timers.reset();
    while (disk.named(name).some(({ endedAt }) => endedAt === undefined)) await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.ok((await bytes(directory)) !== undefined);
  });

test('a question that fails is not known, and not put again within the second', async (t) => {
  const { directory, clock, disk, bytes, asked } = await openFileSystems(t);
  let fails = true;
  disk.trouble.before = ({ name }) => {
    if (name === 'statfs' && fails) throw diskError('EIO');
  };
  assert.equal(await bytes(directory), undefined);
  fails = false;
  assert.equal(await bytes(directory), undefined);
  assert.equal(asked(), 1);
  clock.pass(1001);
  assert.equal(await bytes(directory), 2);
});

test('directories on one file system share one object, there or not, and another file system has its own', async (t) => {
  const { directory, fileSystems } = await openFileSystems(t);
  await mkdir(join(directory, 'other'));
  const [one, same, other] = await Promise.all(
    ['', 'new/mailbox', 'other'].map(async (name) => fileSystems.of(join(directory, name))),
  );
  assert.equal(one, same);
  assert.notEqual(one, other);
  assert.equal(fileSystems.of(directory), one, 'known by now');
});

test('what is mounted later is noticed before the first call about anything on it', async (t) => {
  const { directory, clock, disk, fileSystems } = await openFileSystems(t);
  const late = join(directory, 'late');
  await mkdir(join(late, 'mailbox'), { recursive: true });
  const below = await fileSystems.of(late);
  const mounts = disk.trouble.mounts?.() ?? new Map<string, string>();
  disk.trouble.mounts = () => new Map([...mounts, [late, '3']]);
  clock.pass(1000);
  const before = disk.named('readlink').length;
  const found = await fileSystems.of(join(late, 'mailbox'));
  assert.notEqual(found, below);
  assert.equal(await fileSystems.of(late), found);
  assert.ok(
    disk
      .named('readlink')
      .slice(before)
      .every(({ path }) => path !== late),
    'it was touched under the share of another',
  );
});
