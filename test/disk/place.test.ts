// Which file system a directory is on, links and all: found like the kernel finds it, but without touching a
// mount point, and with no more than a few threads of each file system that hangs.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FileSystems } from '../../src/disk/filesystems.ts';
import { parseMounts } from '../../src/disk/mounts.ts';
import { openFileSystems } from '../../src/disk/open.ts';
import { sharedCalls } from '../../src/disk/sharedcalls.ts';
import { FILE_SYSTEM_THREADS, POOL_SHARE } from '../../src/disk/threadshare.ts';
import { realWorld } from '../../src/edge/world.ts';
import { stillClock } from '../support/clock.ts';
import { type DiskCall, diskError, FakeDisk, gate } from '../support/fakedisk.ts';

const HUNG_MS = 30_000;

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
}

/** Two directories on file systems that every Linux has, and links between them. */
async function openTwo(t: TestContext) {
  const [disk = '', memory = ''] = await Promise.all(
    [tmpdir(), '/dev/shm'].map((parent) => mkdtemp(join(parent, 'sealdir-place-'))),
  );
  t.after(async () => {
    for (const directory of [disk, memory]) await rm(directory, { recursive: true });
  });
  for (const directory of [disk, memory]) await mkdir(join(directory, 'a/b'), { recursive: true });
  const links = {
    over: join(memory, 'a'),
    back: '../../dev/shm/../shm/./'.concat(memory.slice('/dev/shm/'.length), '/a/b'),
    twice: 'over/b',
    up: 'over/../a/b',
    same: 'a',
    nowhere: join(memory, 'none/at/all'),
    circle: 'circle',
  };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(disk, name));
  await symlink(join(disk, 'over'), join(memory, 'home'));
  const isOneFileSystem = (await stat(disk)).dev === (await stat(memory)).dev;
  return { disk, memory, isOneFileSystem };
}

test('a directory is on the file system that its links lead to, as stat(2) says', async (t) => {
  const { disk, memory, isOneFileSystem } = await openTwo(t);
  if (isOneFileSystem) return t.skip('left out: needs /tmp and /dev/shm on different file systems');
  const fileSystems = openFileSystems({ hungMs: HUNG_MS, world: realWorld('mx.example.com') });
  const onDisk = await fileSystems.of(disk);
  const inMemory = await fileSystems.of(memory);
  assert.notEqual(onDisk, inMemory);
  const device = (await stat(disk)).dev;
  const below = ['.', 'a', 'a/b', 'over', 'over/b', 'back', 'twice', 'up', 'same', 'same/b'];
  for (const path of [...below.map((name) => join(disk, name)), join(memory, 'home/b')]) {
    const expected = (await stat(path)).dev === device ? onDisk : inMemory;
    assert.equal(await fileSystems.of(path), expected, path);
  }
});

test('a directory that is not there is on the file system it would be made on, and a circle ends', async (t) => {
  const { disk, memory } = await openTwo(t);
  const fileSystems = openFileSystems({ hungMs: HUNG_MS, world: realWorld('mx.example.com') });
  for (const name of ['none', 'none/at/all', 'same/none', 'circle', 'circle/none'])
    assert.equal(await fileSystems.of(join(disk, name)), await fileSystems.of(disk), name);
  for (const name of ['over/none', 'nowhere', 'nowhere/below', 'twice/none/../none'])
    assert.equal(await fileSystems.of(join(disk, name)), await fileSystems.of(memory), name);
});

test('a link to each other that never ends is given up after 40 links', async () => {
  const disk = new FakeDisk();
  let asked = 0;
  const readlink = async (path: string) => `${path}x${asked++}/again`;
  const fileSystems = new FileSystems({
    calls: { ...disk.fileCalls(), readlink },
    world: stillClock(),
    hungMs: HUNG_MS,
  });
  await fileSystems.of('/link');
  assert.ok(asked <= 41, `${asked} links followed`);
});

test('names in the list of mounts are unescaped, and the last mount on a directory counts', () => {
  const mounts = parseMounts(`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
70 22 0:45 / /mnt/with\\040blank rw,nosuid - fuse a b
71 22 0:46 /sub /mnt/a rw - nfs4 server:/a rw
72 71 0:47 / /mnt/a rw master:2 - tmpfs none rw
`);
  assert.deepEqual(Object.fromEntries(mounts), { '/': '254:0', '/mnt/with blank': '0:45', '/mnt/a': '0:47' });
});

/**
 * File systems 1 to `count`, mounted on /mail/N, that hang; one on / that does not. Links and mailboxes are
 * not there.
 */
function openHanging(count: number) {
  const clock = stillClock();
  const thaw = gate();
  const disk = new FakeDisk();
  const mounts = new Map([['/', '0']]);
  for (let n = 1; n <= count; n++) mounts.set(`/mail/${n}`, `${n}`);
  const underWay = new Set<string>();
  let most = 0;
  const calls = {
    ...disk.fileCalls(),
    mounts: () => mounts,
    async readlink(path: string): Promise<string> {
      underWay.add(path);
      most = Math.max(most, underWay.size);
      if (/^\/mail\/\d+\//.test(path)) await thaw.opened;
      underWay.delete(path);
      throw Object.assign(new Error('no link'), { code: 'EINVAL' });
    },
  };
  const fileSystems = new FileSystems({ calls, world: clock, hungMs: HUNG_MS });
  return { clock, thaw, fileSystems, underWay, most: () => most };
}

test('F21: hung file systems have three threads each for the look-ups of any number of mailboxes, and no other waits', async () => {
  const { fileSystems, underWay, thaw } = openHanging(5);
  const looking = [1, 2, 3, 4, 5].flatMap((n) =>
    Array.from({ length: 20 }, async (_, user) => fileSystems.of(`/mail/${n}/user${user}`)),
  );
  await turns();
  assert.equal(underWay.size, 5 * FILE_SYSTEM_THREADS);
  await fileSystems.of('/mail/ex.test/bob');
  assert.equal(
    await fileSystems.of('/mail/1'),
    await fileSystems.of('/mail/1'),
    'a mount point is not touched',
  );
  thaw.open();
  assert.equal(new Set(await Promise.all(looking)).size, 5);
});

test('F21: however many file systems hang, some threads stay free for everything else', async () => {
  const { fileSystems, underWay, thaw, clock, most } = openHanging(100);
  const numbers = Array.from({ length: 100 }, (_, n) => n + 1);
  const looking = numbers.flatMap((n) =>
    [1, 2, 3].map(async (user) => fileSystems.of(`/mail/${n}/user${user}`)),
  );
  await turns();
  assert.equal(underWay.size, POOL_SHARE);
  clock.pass(HUNG_MS + 1);
  await assert.rejects(
    fileSystems.run('/mail/100', async () => 'called'),
    /does not answer/,
    'beyond that a call fails at once instead of waiting',
  );
  thaw.open();
  await Promise.all(looking);
  assert.equal(most(), POOL_SHARE);
  assert.equal(await fileSystems.run('/mail/100', async () => 'called'), 'called');
});

test('F21: what could not be found out is asked again, and meanwhile belongs to the file system that did not say', async () => {
  const disk = new FakeDisk();
  let fails = true;
  const calls = {
    ...disk.fileCalls(),
    mounts: () => new Map([['/', '0']]),
    async readlink(): Promise<string> {
      throw diskError(fails ? 'EIO' : 'ENOENT');
    },
  };
  const fileSystems = new FileSystems({ calls, world: stillClock(), hungMs: HUNG_MS });
  const asked = fileSystems.of('/mail');
  assert.ok(asked instanceof Promise);
  assert.equal(await asked, await fileSystems.of('/'));
  fails = false;
  assert.ok(fileSystems.of('/mail') instanceof Promise, 'it was not remembered');
  await fileSystems.of('/mail');
  assert.ok(!(fileSystems.of('/mail') instanceof Promise));
});

test('F21: the files of a hung file system are closed in turn, not each with a thread of its own', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-close-'));
  t.after(() => rm(root, { recursive: true }));
  const thaw = gate();
  const disk = new FakeDisk();
  const shared = sharedCalls(
    disk.fileCalls(),
    new FileSystems({ calls: disk.fileCalls(), world: stillClock(), hungMs: HUNG_MS }),
    () => true,
  );
  const files = await Promise.all(
    Array.from({ length: 12 }, (_, n) => shared.create(join(root, `${n}`), 0o600)),
  );
  disk.trouble.before = ({ name }: DiskCall) => (name === 'close' ? thaw.opened : undefined);
  const closing = files.map((file) => file.close());
  await turns();
  assert.equal(disk.named('close').length, FILE_SYSTEM_THREADS);
  thaw.open();
  await Promise.all(closing);
});
