// What was found in a directory counts until it changes: here with a count of how often was asked.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WatchedDirectory } from '../../src/keys/watched.ts';
import { until } from '../support/until.ts';

async function openDirectory(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-recent-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directory = join(root, 'keys');
  await mkdir(directory);
  const recent = new WatchedDirectory<number>(directory);
  let asked = 0;
  const get = () => recent.get('alice', async () => ++asked);
  return { root, directory, recent, get };
}

/** Whatever goes on around it, ten look-ups are over in less than a second once out of so many times. */
async function assertKept(get: () => Promise<number | undefined>): Promise<void> {
  await until('an answer is kept', async () => {
    const first = await get();
    for (let n = 0; n < 10; n++) if ((await get()) !== first) return false;
    return true;
  });
}

test('an answer counts again until something changes in the directory', async (t) => {
  const { directory, get } = await openDirectory(t);
  await assertKept(get);
  for (const change of [
    () => writeFile(join(directory, 'a'), '1'),
    () => writeFile(join(directory, 'a'), '2'),
    () => rename(join(directory, 'a'), join(directory, 'b')),
    () => rm(join(directory, 'b')),
  ]) {
    const before = await get();
    await change();
    // the kernel has told by now; the event loop looks at it before anything else comes in
    await new Promise(setImmediate);
    assert.notEqual(await get(), before);
  }
});

test('an answer under way when something changes is not kept', async (t) => {
  const { directory, recent, get } = await openDirectory(t);
  await assertKept(get);
  const before = await recent.get('bob', async () => {
    await writeFile(join(directory, 'bob'), '1');
    await new Promise(setImmediate);
    return -1;
  });
  assert.equal(before, -1);
  assert.equal(await recent.get('bob', async () => -2), -2);
});

test('a change that the kernel does not tell of is seen all the same', async (t) => {
  const { root } = await openDirectory(t);
  for (const name of ['old', 'new']) await mkdir(join(root, name));
  await symlink('old', join(root, 'link'));
  const recent = new WatchedDirectory<string>(join(root, 'link'));
  let current = 'old';
  const get = () => recent.get('alice', async () => current);
  await get();
  await get();
  await symlink('new', join(root, 'next'));
  await rename(join(root, 'next'), join(root, 'link'));
  current = 'new';
  await until('the new one is seen', async () => (await get()) === 'new');
});

test('that nothing was found is never kept, nor what cannot be watched', async (t) => {
  const { root, directory, recent, get } = await openDirectory(t);
  await assertKept(get);
  let asked = 0;
  const nothing = () => recent.get('nobody', async () => void asked++ as undefined);
  for (let n = 0; n < 5; n++) await nothing();
  assert.equal(asked, 5);
  await rm(directory, { recursive: true });
  const gone = new WatchedDirectory<number>(join(root, 'gone'));
  for (let n = 0; n < 5; n++) assert.equal(await gone.get('alice', async () => n), n);
});

test('an error is told and not kept', async (t) => {
  const { recent, get } = await openDirectory(t);
  await assertKept(get);
  await assert.rejects(
    recent.get('bob', async () => {
      throw new Error('made up');
    }),
    /made up/,
  );
  assert.equal(await recent.get('bob', async () => 1), 1);
});
