/**
 * The real disk. What every message needs is several calls in one go, made by threads of our own
 * (queue.ts); all else goes to libuv, call by call (sharedcalls.ts).
 */
import { dirname } from 'node:path';
import type { World } from '../core/world.ts';
import { realCalls } from './calls.ts';
import type { Disk } from './disk.ts';
import { FileSystems } from './filesystems.ts';
import { DiskQueue } from './queue.ts';
import { sharedCalls } from './sharedcalls.ts';
import { DiskThread } from './thread.ts';

export interface DiskOptions {
  /** How long a file system may be silent before calls to it fail at once. */
  readonly hungMs: number;
  readonly world: Pick<World, 'micros'>;
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
  fileSystems = openFileSystems({ hungMs, world }),
}: DiskOptions): Disk {
  const beginThread = (changed: () => void) => new DiskThread(world, changed);
  const queue = new DiskQueue({ world, beginThread });
  queue.start();
  const fileSystemOf = async (from: string, to: string) => {
    const [one, other] = [fileSystems.of(dirname(from)), fileSystems.of(dirname(to))];
    // the rename would fail, and until then the batch would be at the mercy of both
    if ((await one) !== (await other)) throw new Error('tmp/ and new/ are on different file systems');
    return one;
  };
  return {
    ...sharedCalls(realCalls, fileSystems),
    async deliver(from, to, mode, pieces, isWanted) {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return queue.submit({ from, to, mode, bytes }, await fileSystemOf(from, to), isWanted, pieces);
    },
    async renameAndSync(from, to, isWanted) {
      await queue.submit({ from, to }, await fileSystemOf(from, to), isWanted);
    },
    close: () => queue.close(),
  };
}
