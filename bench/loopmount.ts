// A fresh journaled ext4 in a file, mounted through a loop device. There an fsync costs what it costs on
// ordinary machines.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasProgram } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import type { Bed } from './bed.ts';

const SIZE = '16G'; // sparse

/**
 * Resolves to the mount point, or to undefined if we may not mount. It is unmounted when the bed is closed.
 */
export async function mountJournaled(bed: Bed): Promise<string | undefined> {
  if (process.getuid?.() !== 0 || !hasProgram('mkfs.ext4')) return undefined;
  const directory = await bed.directory('loop');
  const image = join(directory, 'image');
  const mount = join(directory, 'ext4');
  await mkdir(mount);
  const commands = [
    ['truncate', '-s', SIZE, image],
    ['mkfs.ext4', '-q', '-F', '-O', 'has_journal', '-i', '8192', image],
    // without the kernel's thread that zeroes inode tables while we measure
    ['mount', '-o', 'loop,noinit_itable', image, mount],
  ];
  for (const [command = '', ...args] of commands) if ((await run(command, args)).code !== 0) return undefined;
  bed.atEnd(() => run('umount', [mount]));
  return mount;
}
