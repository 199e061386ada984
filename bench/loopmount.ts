// Makes and mounts a fresh journaled file system in a file, through a loop device: there an fsync costs what
// it costs elsewhere.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasProgram } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import type { Bed } from './bed.ts';
import { guardMount } from './mountguard.ts';

const SIZE = '16G'; // sparse

export type FileSystem = 'ext4' | 'xfs';

/** The program that makes it and its options, and how it is mounted. */
export const FILE_SYSTEMS: Readonly<Record<FileSystem, { make: readonly string[]; mount: string }>> = {
  // no background thread that zeroes inode tables while we measure
  ext4: { make: ['mkfs.ext4', '-q', '-F', '-O', 'has_journal', '-i', '8192'], mount: 'noinit_itable' },
  xfs: { make: ['mkfs.xfs', '-K', '-q'], mount: 'defaults' },
};

/** Undefined where this is not root, or root may not mount. Unmounted when the bed is closed. */
export async function mountJournaled(bed: Bed, type: FileSystem = 'ext4'): Promise<string | undefined> {
  if (process.getuid?.() !== 0 || !hasProgram(`mkfs.${type}`)) return undefined;
  const directory = await bed.directory('loop');
  const image = join(directory, 'image');
  const mount = join(directory, type);
  const options = FILE_SYSTEMS[type];
  await mkdir(mount);
  bed.atEnd(guardMount(mount));
  const commands = [
    ['truncate', '-s', SIZE, image],
    [...options.make, image],
    ['mount', '-o', `loop,${options.mount}`, image, mount],
  ];
  for (const [command = '', ...args] of commands) if ((await run(command, args)).code !== 0) return undefined;
  return mount;
}
