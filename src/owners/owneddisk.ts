/**
 * The disk of one owner: every call is made by their writer. All that an owner has counts as one file system,
 * so that one whose home hangs holds up nobody else.
 */
import type { World } from '../core/world.ts';
import type { FileCalls } from '../disk/calls.ts';
import type { Disk } from '../disk/disk.ts';
import { FileSystem } from '../disk/filesystem.ts';
import { Liveness } from '../disk/liveness.ts';
import { diskOf } from '../disk/open.ts';
import { DiskQueue } from '../disk/queue.ts';
import { sharedCalls } from '../disk/sharedcalls.ts';
import { POOL_SHARE, ThreadShare } from '../disk/threadshare.ts';
import { CurrentLink, type LinkOptions } from './link.ts';
import { WriterCalls } from './writercalls.ts';
import { WriterThread } from './writerthread.ts';

/** How long a writer may take for a call after others to it have begun to fail. */
const GRACE_MS = 10_000;

export interface OwnedDiskOptions extends Omit<LinkOptions, 'replyMs'> {
  /** How long the writer may be silent before calls fail at once. */
  readonly hungMs: number;
  readonly world: Pick<World, 'micros'>;
}

export function openOwnedDisk({ hungMs, world, ...link }: OwnedDiskOptions): Disk {
  const current = new CurrentLink({ ...link, replyMs: hungMs + GRACE_MS });
  const writer = new WriterCalls(current);
  const calls: FileCalls = { ...writer.calls, readlink: never, mounts: () => new Map() };
  const pool = new ThreadShare(POOL_SHARE, new Liveness(world, hungMs));
  const fileSystem = new FileSystem({ calls, world, hungMs, pool });
  const one = { of: () => fileSystem, free: (path: string) => fileSystem.free(path) };
  const queue = new DiskQueue({
    world,
    beginThread: (changed) => new WriterThread(current.get(), world, changed),
  });
  const disk = diskOf(
    sharedCalls(calls, one, () => false),
    queue,
    one.of,
  );
  return {
    ...disk,
    append: (path, line) => fileSystem.threads.run(() => writer.append(path, line)),
    async renameAndSync(from, to, isWanted) {
      await disk.renameAndSync(from, to, isWanted);
      current.finished(from);
    },
    close() {
      disk.close();
      current.end();
    },
  };
}

/** The writer looks at links, by rules of its own. */
function never(): Promise<string> {
  return Promise.reject(new Error('links are not asked for here'));
}
