/** fsync of directories for the store: how a rename becomes durable, at the price of one call for many. */
import type { Disk } from './disk.ts';

/**
 * fsync of a directory, shared by all who ask while one is under way: they get the next one
 * together. If the one under way fails, they fail with it: the kernel tells of a lost write
 * once, so the next fsync may succeed over a rename that is not on disk.
 */
export class DirectorySyncer {
  readonly #disk: Disk;
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Resolves after a sync that began after this call. */
  sync(directory: string): Promise<void> {
    const waiting = this.#next.get(directory);
    if (waiting !== undefined) return waiting;
    const running = this.#running.get(directory);
    if (running === undefined) return this.#start(directory);
    // the one under way may have begun before our rename: it does not count
    const over = () => this.#next.delete(directory);
    const next = running.then(
      () => {
        over();
        return this.#start(directory);
      },
      (error: unknown) => {
        over();
        throw error;
      },
    );
    this.#next.set(directory, next);
    return next;
  }

  #start(directory: string): Promise<void> {
    const sync = this.#disk.syncDirectory(directory).finally(() => this.#running.delete(directory));
    this.#running.set(directory, sync);
    return sync;
  }
}
