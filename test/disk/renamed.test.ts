// A file system behind FUSE may answer fsync of a directory and do nothing: there renamed files are fsynced,
// too. That it helps is shown with GlusterFS, whose power is cut (peers/hosts).

import assert from 'node:assert/strict';
import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { batchCalls } from '../../src/disk/perform.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';

/** Makes the fsync of a directory, and tells what went wrong. */
function sync(directory: string, name: string): string {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    batchCalls.syncDirectory(fd, [join(directory, name)]);
    return '';
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code} ${(error as NodeJS.ErrnoException).syscall}`;
  } finally {
    closeSync(fd);
  }
}

test('behind FUSE a renamed file is opened by its name and fsynced, and elsewhere it is not', {
  ...(await needsHungMount()),
}, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-renamed-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'mount'));
  await using mount = await HungMount.open(join(root, 'mount'));
  assert.equal(statfsSync(mount.directory).type, 0x65735546);
  await writeFile(join(mount.directory, 'file'), '');
  await symlink('file', join(mount.directory, 'link'));
  assert.equal(sync(mount.directory, 'file'), '');
  assert.equal(sync(mount.directory, 'gone'), 'ENOENT open');
  assert.equal(sync(mount.directory, 'link'), 'ELOOP open');
  assert.equal(sync(root, 'link'), '');
});
