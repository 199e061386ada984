// The mark by which hosts know that they have the same store.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MARK, markOf, StoreMarks } from '../../src/maildir/storemark.ts';

const world = { random: (count: number) => randomBytes(count) };

async function makeRoot(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-mark-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  return root;
}

test('hosts that make it at the same moment have the same one, and leave nothing else', async (t) => {
  const root = await makeRoot(t);
  const marks = await Promise.all(Array.from({ length: 20 }, () => markOf(root, world)));
  assert.equal(new Set(marks).size, 1);
  assert.equal(await markOf(root, world), marks[0]);
  assert.deepEqual(await readdir(root), [MARK]);
  assert.match(await readFile(join(root, MARK), 'latin1'), /^[0-9a-f]{32}\n$/);
});

test('another store has another one, and so has a store that was restored elsewhere', async (t) => {
  const [root, other] = [await makeRoot(t), await makeRoot(t)];
  const mark = await markOf(root, world);
  assert.notEqual(await markOf(other, world), mark);
  await cp(join(root, MARK), join(other, MARK), { force: true });
  assert.notEqual(await markOf(other, world), mark);
  await rename(root, `${root}.moved`);
  t.after(() => rm(`${root}.moved`, { recursive: true }));
  assert.equal(await markOf(`${root}.moved`, world), mark);
});

test('what cannot be read or made is told once, and nothing is taken for known', async (t) => {
  const root = await makeRoot(t);
  const faults: string[] = [];
  let isHung = false;
  const fileSystems = {
    run: <T>(_: string, call: () => Promise<T>) => (isHung ? new Promise<T>(() => {}) : call()),
  };
  const marks = () =>
    new StoreMarks({ fileSystems, world, fault: (error) => faults.push((error as Error).message) });
  await writeFile(join(root, MARK), 'something else\n');
  assert.equal(await marks().of(root), undefined);
  assert.match(faults.splice(0).join(), /\.sealdir-store is not as Sealdir makes it/);
  const none = marks();
  assert.deepEqual(await Promise.all([none.of(join(root, 'none')), none.of(join(root, 'none'))]), [
    undefined,
    undefined,
  ]);
  assert.match(faults.splice(0).join(), /^ENOENT/);
  isHung = true;
  assert.equal(await marks().of(root), undefined);
  assert.match(faults.join(), /does not answer$/);
});
