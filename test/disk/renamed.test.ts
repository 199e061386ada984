// A file system behind FUSE may answer fsync of a directory and do nothing: there renamed files are fsynced,
// too. That it helps is shown with GlusterFS, whose power is cut (peers/hosts).

import assert from 'node:assert/strict';
import { readdirSync, renameSync, statfsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { batchCalls, performBatch } from '../../src/disk/perform.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';

test('behind FUSE a renamed file is fsynced, whatever name it has by then, and elsewhere it is not', {
  ...(await needsHungMount()),
}, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-renamed-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'mount'));
  await using mount = await HungMount.open(join(root, 'mount'));
  assert.equal(statfsSync(mount.directory).type, 0x65735546);
  for (const [at, isSynced] of [
    [mount.directory, true],
    [root, false],
  ] as const)
    for (const syncsAtOnce of [1, 4]) {
      const names = ['one', 'two'].map((name) => `${name}${syncsAtOnce}`);
      const jobs = names.map((name) => ({ from: join(at, name), to: join(at, `${name}.new`) }));
      for (const { from } of jobs) await writeFile(from, '');
      const before = descriptors();
      let open = 0;
      const { answers } = await performBatch({ jobs, syncsAtOnce }, Buffer.alloc(0), {
        ...batchCalls,
        rename(from, to) {
          batchCalls.rename(from, to);
          renameSync(to, `${to}.read`); // a mail program is as fast as that
          open = descriptors() - before;
        },
      });
      assert.deepEqual(answers, [0, 0], `${at} ${syncsAtOnce}`);
      assert.equal(open, isSynced ? 3 : 1, 'the directory, and the files that will be fsynced');
      assert.equal(descriptors(), before);
    }
});

test('behind FUSE a rename that fails leaves no file open', { ...(await needsHungMount()) }, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-renamed-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'mount'));
  await using mount = await HungMount.open(join(root, 'mount'));
  const at = (name: string) => join(mount.directory, name);
  await writeFile(at('file'), '');
  await symlink('file', at('link'));
  await mkdir(at('full'));
  await writeFile(at('full/file'), '');
  const jobs = [
    { from: at('file'), to: at('full') },
    { from: at('gone'), to: at('other') },
    { from: at('link'), to: at('another') },
  ];
  const before = descriptors();
  const { answers } = await performBatch({ jobs, syncsAtOnce: 1 }, Buffer.alloc(0));
  const codes = answers.map((answer) => (typeof answer === 'number' ? answer : answer.code));
  assert.deepEqual(codes, ['EISDIR', 'ENOENT', 'ELOOP']);
  assert.equal(descriptors(), before);
});

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
