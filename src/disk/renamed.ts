/**
 * Makes renames durable where fsync of a directory does not: GlusterFS (10.3) answers it, and its bricks do
 * nothing; of what else is behind FUSE nobody knows. fsync of the renamed file reaches them, and the journal
 * of ext4 or xfs, once it is written up to that file, has its rename as well.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** statfs(2) of whatever is mounted through FUSE. */
const FUSE = 0x65735546;
/** Nothing at the end of the name may be a link by now. */
const HOW = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW;

const [open, close, fsync] = [promisify(fs.open), promisify(fs.close), promisify(fs.fsync)];

/** Tells whether it is like that for a directory, of which `renamed` are files. Most are not even asked. */
export function forgetsRenames({ dev }: fs.Stats, [path]: readonly string[]): boolean {
  const isOnBlockDevice = ((dev >>> 8) & 0xfff) !== 0; // its major number
  return !isOnBlockDevice && path !== undefined && fs.statfsSync(dirname(path)).type === FUSE;
}

export function syncFile(path: string): void {
  const fd = fs.openSync(path, HOW);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Does the same for several at the same time, by libuv's threads. */
export async function syncFiles(paths: readonly string[]): Promise<void> {
  await Promise.all(
    paths.map(async (path) => {
      const fd = await open(path, HOW);
      try {
        await fsync(fd);
      } finally {
        await close(fd);
      }
    }),
  );
}
