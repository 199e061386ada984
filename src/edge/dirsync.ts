/** fsync of directories for the store: how a rename becomes durable, at the price of one call for many. */
import { dirname } from 'node:path';
import type { Disk } from './disk.ts';

/**
 * Renames, each followed by an fsync of the directory it went to. One that comes while such
 * an fsync is under way shares the next one with all who come in that time. If the one under
 * way fails, they fail with it: the kernel tells of a lost write once, so the next fsync may
 * succeed over a rename that is not on disk.
 */
export class DirectorySyncer {
  readonly #disk: Disk;
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();
  /** The last failed fsync of each directory that had one. */
  readonly #failures = new Map<string, { readonly error: Error }>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** See `Disk.renameAndSync`. */
  async renameAndSync(from: string, to: string): Promise<void> {
    const directory = dirname(to);
    if (!this.#running.has(directory)) {
      return this.#start(directory, this.#disk.renameAndSync(from, to));
    }
    const before = this.#failures.get(directory);
    await this.#disk.rename(from, to);
    try {
      // one that failed meanwhile may have been told of our rename, which came back only now
      const failure = this.#failures.get(directory);
      if (failure !== undefined && failure !== before) throw failure.error;
      await this.#sync(directory);
    } catch (error) {
      await this.#disk.unlink(to).catch(() => {}); // the error of the fsync is the one to tell
      throw error;
    }
  }

  /** Resolves after a sync that began after this call. */
  #sync(directory: string): Promise<void> {
    const waiting = this.#next.get(directory);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(directory);
    const again = () => this.#start(directory, this.#disk.syncDirectory(directory));
    if (running === undefined) return again();
    // the one under way may have begun before our rename: it does not count
    const over = () => this.#next.delete(directory);
    const next = running.then(
      () => {
        over();
        return again();
      },
      (error: NodeJS.ErrnoException) => {
        over();
        if (error.syscall === 'rename') return again(); // it never came to its fsync
        throw error;
      },
    );
    this.#next.set(directory, next);
    return next;
  }

  #start(directory: string, work: Promise<void>): Promise<void> {
    const sync = work
      .catch((error: NodeJS.ErrnoException) => {
        if (error.syscall !== 'rename') this.#failures.set(directory, { error });
        throw error;
      })
      .finally(() => this.#running.delete(directory));
    this.#running.set(directory, sync);
    return sync;
  }
}
