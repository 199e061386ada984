// The real disk's deliveries of small files: what they leave behind, with success and with each kind of
// failure.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MAX_WHOLE_BYTES } from '../../src/disk/disk.ts';
import { openDisk } from '../../src/disk/open.ts';
import { realWorld } from '../../src/edge/world.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

const wanted = () => true;

async function openMaildir(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-disk-'));
  const disk = openDisk({ hungMs: 60_000, world: realWorld('mx.example.com') });
  t.after(async () => {
    disk.close();
    await rm(root, { recursive: true, force: true });
  });
  const [from, to] = [join(root, 'tmp', 'a'), join(root, 'new', 'a,S=1')];
  for (const name of ['tmp', 'new']) await mkdir(join(root, name));
  const left = async () => (await readdir(root, { recursive: true })).sort();
  return { root, disk, from, to, left };
}

test('a file has all its pieces in order and the mode asked for', async (t) => {
  const { disk, from, to, left } = await openMaildir(t);
  const pieces = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(100_000, 'x'), Buffer.from('end')];
  assert.equal(typeof (await disk.deliver(from, to, 0o600, pieces, wanted)), 'number');
  assert.deepEqual(await readFile(to), Buffer.concat(pieces));
  assert.equal((await stat(to)).mode & 0o777, 0o600);
  assert.deepEqual(await left(), ['new', 'new/a,S=1', 'tmp']);
});

test('the largest that goes in one go arrives', async (t) => {
  const { disk, from, to } = await openMaildir(t);
  const pieces = [Buffer.alloc(MAX_WHOLE_BYTES, 'abc')];
  await disk.deliver(from, to, 0o600, pieces, wanted);
  assert.deepEqual(await readFile(to), Buffer.concat(pieces));
});

test('a file that exists is left as it is', async (t) => {
  const { disk, from, to, left } = await openMaildir(t);
  await writeFile(from, 'theirs');
  await assert.rejects(disk.deliver(from, to, 0o600, [Buffer.from('ours')], wanted), {
    code: 'EEXIST',
    syscall: 'open',
    errno: -17,
  });
  assert.equal(await readFile(from, 'utf8'), 'theirs');
  assert.deepEqual(await left(), ['new', 'tmp', 'tmp/a']);
});

test('a file that does not fit is not left behind in part', needs('root', 'mount', 'umount'), async (t) => {
  const { root, disk } = await openMaildir(t);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'sealdir-test', root]);
  if (mounted.code !== 0) return t.skip(`left out: mount is not permitted here (${mounted.stderr.trim()})`);
  try {
    const tooBig = [Buffer.alloc(200_000)];
    await assert.rejects(disk.deliver(join(root, 'a'), join(root, 'b'), 0o600, tooBig, wanted), {
      code: 'ENOSPC',
    });
    assert.deepEqual(await readdir(root), []);
  } finally {
    await run('umount', [root]);
  }
});

test('a directory that is not there leaves nothing of a whole file, and a staged one where it was', async (t) => {
  const { root, disk, from, left } = await openMaildir(t);
  const gone = join(root, 'gone', 'a');
  await assert.rejects(disk.deliver(from, gone, 0o600, [Buffer.from('x')], wanted), {
    code: 'ENOENT',
    syscall: 'open',
  });
  assert.deepEqual(await left(), ['new', 'tmp']);
  await writeFile(from, 'x');
  await assert.rejects(disk.renameAndSync(from, gone, wanted), { code: 'ENOENT', syscall: 'open' });
  assert.deepEqual(await left(), ['new', 'tmp', 'tmp/a']);
});

test('a staged file is renamed', async (t) => {
  const { disk, from, to, left } = await openMaildir(t);
  await writeFile(from, 'x');
  await disk.renameAndSync(from, to, wanted);
  assert.deepEqual(await left(), ['new', 'new/a,S=1', 'tmp']);
});
