/**
 * A disk, put together. What every message needs is several calls in one go, made by those who have nothing
 * else to do (queue.ts); all else goes call by call (sharedcalls.ts). `openDisk` makes the real one, of
 * threads in this process.
 */
import { dirname } from 'node:path';
import type { World } from '../core/world.ts';
import type { Lock } from './append.ts';
import { realCalls } from './calls.ts';
import type { Disk } from './disk.ts';
import type { FileSystem } from './filesystem.ts';
import { FileSystems } from './filesystems.ts';
import { DiskQueue } from './queue.ts';
import { type SharedCalls, sharedCalls } from './sharedcalls.ts';
import { DiskThread } from './thread.ts';

export interface DiskOptions {
  /** How long a file system may be silent before calls to it fail at once. */
  readonly hungMs: number;
  readonly world: Pick<World, 'micros'>;
  /** For `append`; left out: it fails. */
  readonly lock?: Lock | undefined;
  /** To be given where others of this process share the threads. */
  readonly fileSystems?: FileSystems;
}

/** Opens the file systems for those who make calls of their own there, under the same shares as the disk. */
export function openFileSystems(options: Pick<DiskOptions, 'hungMs' | 'world'>): FileSystems {
  return new FileSystems({ calls: realCalls, ...options });
}

export function openDisk({
  hungMs,
  world,
  lock = () => false,
  fileSystems = openFileSystems({ hungMs, world }),
}: DiskOptions): Disk {
  const beginThread = (changed: () => void) => new DiskThread(world, changed);
  const queue = new DiskQueue({ world, beginThread });
  queue.start();
  return diskOf(sharedCalls(realCalls, fileSystems, lock), queue, (directory) => fileSystems.of(directory));
}

/** `fileSystemOf` tells which file system a directory is on. */
export function diskOf(
  calls: SharedCalls,
  queue: DiskQueue,
  fileSystemOf: (directory: string) => FileSystem | Promise<FileSystem>,
): Disk {
  const ofBoth = async (from: string, to: string) => {
    const [one, other] = [fileSystemOf(dirname(from)), fileSystemOf(dirname(to))];
    // the rename would fail, and until then the batch would be at the mercy of both
    if ((await one) !== (await other)) throw new Error('tmp/ and new/ are on different file systems');
    return one;
  };
  return {
    ...calls,
    async deliver(from, to, mode, pieces, isWanted) {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return queue.submit({ from, to, mode, bytes }, await ofBoth(from, to), isWanted, pieces);
    },
    async renameAndSync(from, to, isWanted) {
      await queue.submit({ from, to }, await ofBoth(from, to), isWanted);
    },
    close: () => queue.close(),
  };
}
