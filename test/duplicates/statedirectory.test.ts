// Who may use a state directory, and what in it is touched.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, statfs, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { RememberedDeliveries } from '../../src/duplicates/memory.ts';
import { readSecret } from '../../src/duplicates/secret.ts';
import { ownStateDirectory } from '../../src/duplicates/statedirectory.ts';
import { lockDescriptor } from '../../src/edge/lock.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run, start } from '../support/process.ts';

async function place(t: TestContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'sealdir-own-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  return join(parent, 'state');
}

const own = (directory: string) =>
  ownStateDirectory(directory, { lock: lockDescriptor, world: { random: randomBytes } });

/** A process of the server that owns a directory; what it reports. */
function open(t: TestContext, directory: string) {
  const faults: unknown[] = [];
  const world = { now: Date.now, random: randomBytes, pid: process.pid };
  const memory = new RememberedDeliveries({
    directory,
    windowMs: 1000,
    world,
    fault: (error) => faults.push(error),
  });
  t.after(() => memory.close());
  return { memory, faults };
}

test('a directory has one owner at a time, and the next finds the same secret', async (t) => {
  const directory = await place(t);
  const first = await own(directory);
  const secret = readSecret(directory);
  assert.equal(secret.length, 32);
  await assert.rejects(own(directory), /is in use by another server/);
  first.release();
  first.release(); // of no effect
  const second = await own(directory);
  assert.deepEqual(readSecret(directory), secret);
  await assert.rejects(own(directory), /is in use by another server/);
  second.release();
});

test('directory and files are for their owner alone, and what a start left half done is removed', async (t) => {
  const directory = await place(t);
  await mkdir(directory, 0o700);
  writeFileSync(join(directory, 'secret.0123456789abcdef'), 'half');
  const owned = await own(directory);
  open(t, directory);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(directory).sort(), ['delivered.1', 'lock', 'secret']);
  for (const name of readdirSync(directory))
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  owned.release();
});

test('a secret of another length is said, not used', async (t) => {
  const directory = await place(t);
  const owned = await own(directory);
  writeFileSync(join(directory, 'secret'), randomBytes(31));
  const { memory, faults } = open(t, directory);
  assert.equal(memory.secret.length, 32);
  assert.match(String(faults), /secret does not have 32 bytes/);
  assert.equal(memory.isShared, false);
  owned.release();
});

const FILES = ['lock', 'secret', 'delivered.1'] as const;
const PLANTED: readonly [
  what: string,
  plant: (path: string, other: string) => Promise<unknown>,
  said: RegExp,
][] = [
  ['a FIFO', (path) => run('mkfifo', ['-m', '600', path]), /is no regular file|ENXIO/],
  ['a link', (path, other) => symlink(other, path), /is no regular file/],
  ['a dangling link', (path) => symlink('/nonexistent/sealdir', path), /is no regular file/],
  ['a hard link', async (path, other) => linkSync(other, path), /has another name as well/],
  ['a directory', (path) => mkdir(path), /EISDIR|is no regular file/],
];

for (const name of FILES) {
  for (const [what, plant, said] of PLANTED) {
    test(`F27: ${what} in place of ${name} is neither followed nor waited for, and said`, async (t) => {
      const directory = await place(t);
      const other = join(directory, '../other');
      writeFileSync(other, 'not ours to change\n', { mode: 0o600 });
      await mkdir(directory, 0o700);
      await plant(join(directory, name), other);
      const owned = await own(directory).catch((error: unknown) => error);
      if (owned instanceof Error) assert.match(String(owned), said);
      else {
        const { memory, faults } = open(t, directory);
        assert.match(String(faults), said);
        assert.equal(memory.isShared, false);
        (owned as { release(): void }).release();
      }
      assert.equal(readFileSync(other, 'utf8'), 'not ours to change\n');
    });
  }
}

test('a file or directory of another user is not used', needs('root'), async (t) => {
  const directory = await place(t);
  await mkdir(directory, 0o700);
  writeFileSync(join(directory, 'lock'), '', { mode: 0o666 });
  await chown(join(directory, 'lock'), 65534, 65534);
  await assert.rejects(own(directory), /lock belongs to another user/);
  await chown(directory, 65534, 65534);
  await assert.rejects(own(directory), /state belongs to another user/);
});

test('a directory that everybody may write to is not used', async (t) => {
  const directory = await place(t);
  await mkdir(directory);
  await chmod(directory, 0o777);
  await assert.rejects(own(directory), /can be written by everybody/);
});

test('a directory on a file system that may hang is not used', async () => {
  // procfs and sysfs stand for all that is not known to be local: a directory that exists on every machine
  for (const directory of ['/proc/self', '/sys/kernel'])
    await assert.rejects(own(directory), /is on a file system of type 0x[0-9a-f]+, which may hang/);
});

testLong(
  'a FUSE file system is not used, and one that answers nothing is given up in time',
  {
    ...needs('root', 'bindfs', 'fusermount'),
    timeout: 240_000,
  },
  async () => {
    const real = await mkdtemp(join(tmpdir(), 'sealdir-own-'));
    const mount = await mkdtemp(join(tmpdir(), 'sealdir-own-'));
    const bindfs = await start('bindfs', ['-f', real, mount], { ready: () => isFuse(mount) });
    try {
      await assert.rejects(own(join(mount, 'state')), /of type 0x65735546, which may hang/);
      bindfs.signal('SIGSTOP');
      await assert.rejects(own(join(mount, 'state')), /does not answer/);
    } finally {
      bindfs.signal('SIGCONT');
      await run('fusermount', ['-uz', mount]);
      await bindfs.stop();
      for (const directory of [real, mount]) await rm(directory, { recursive: true });
    }
  },
);

async function isFuse(directory: string): Promise<boolean> {
  return (await statfs(directory)).type === 0x65735546;
}
