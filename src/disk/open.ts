/**
 * The real disk. What every message needs is several calls in one go, made by threads of our own
 * (queue.ts); all else goes to libuv, call by call (sharedcalls.ts).
 */
import type { World } from '../core/world.ts';
import { realCalls } from './calls.ts';
import type { Disk } from './disk.ts';
import { FileSystems } from './filesystems.ts';
import { DiskQueue } from './queue.ts';
import { maildirOf, sharedCalls } from './sharedcalls.ts';
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
  const queue = new DiskQueue({ hungMs, world, beginThread });
  queue.start();
  return {
    ...sharedCalls(realCalls, fileSystems),
    async deliver(from, to, mode, pieces, isWanted) {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const fileSystem = await fileSystems.of(maildirOf(to));
      return queue.submit({ from, to, mode, bytes }, fileSystem, isWanted, pieces);
    },
    async renameAndSync(from, to, isWanted) {
      await queue.submit({ from, to }, await fileSystems.of(maildirOf(to)), isWanted);
    },
    close: () => queue.close(),
  };
}
