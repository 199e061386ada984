/**
 * Makes void what Dovecot's index of a folder remembers of the messages' bytes: sizes, structure, header
 * fields. Done as Dovecot does it when it writes its cache anew: the log is locked, then the cache gets its
 * next number, by which every session notices at its next look that what it knows is of no use and waits for
 * the log; then the log says that nothing is known. In between messages are exchanged.
 */
import { join } from 'node:path';
import type { Calls } from './calls.ts';
import {
  CACHE,
  CACHE_HEADER_BYTES,
  cacheNumberOf,
  emptiedCache,
  isWholeLog,
  mentions,
  type Reset,
  resets,
  SIZES,
} from './indexlog.ts';
import type { LockedFile } from './lockedfile.ts';

const LAST_NUMBER = 0xffffffff;

export class DovecotIndex {
  readonly #log: LockedFile;
  readonly #cache: LockedFile | undefined;
  /** What the cache is to begin with; undefined if it is of no use already. */
  readonly #emptied: Buffer | undefined;
  readonly #resets: Reset[];

  private constructor(
    log: LockedFile,
    cache: LockedFile | undefined,
    emptied: Buffer | undefined,
    wanted: Reset[],
  ) {
    this.#log = log;
    this.#cache = cache;
    this.#emptied = emptied;
    this.#resets = wanted;
  }

  /**
   * Locks the index that is in a directory. Undefined if there is none. Throws if it is of no known form, or
   * others keep its lock.
   */
  static async lock(directory: string, calls: Calls): Promise<DovecotIndex | undefined> {
    const path = join(directory, 'dovecot.index');
    const log = await calls.openLocked(`${path}.log`);
    if (log === undefined) return undefined;
    let cache: LockedFile | undefined;
    try {
      const content = await log.content();
      if (!isWholeLog(content)) throw new Error(`${path}.log is of no known form`);
      const index = (await calls.content(path)) ?? Buffer.alloc(0);
      const sizes = SIZES.filter((each) => mentions(index, each) || mentions(content, each));
      const wanted = sizes.map((extension): Reset => ({ extension, from: 0, to: 0 }));
      cache = await calls.openLocked(`${path}.cache`);
      const header = (await cache?.content(CACHE_HEADER_BYTES)) ?? Buffer.alloc(0);
      const from = cacheNumberOf(header);
      if (from === undefined) return new DovecotIndex(log, cache, undefined, wanted);
      const to = from === LAST_NUMBER ? 1 : from + 1;
      return new DovecotIndex(log, cache, emptiedCache(header, to), [
        ...wanted,
        { extension: CACHE, from, to },
      ]);
    } catch (error) {
      await closeBoth(cache, log);
      throw error;
    }
  }

  /** From now on nobody believes the cache. */
  async begin(): Promise<void> {
    if (this.#emptied !== undefined) await this.#cache?.write(this.#emptied, 0);
  }

  /** The index knows nothing any more. */
  async end(): Promise<void> {
    if (this.#resets.length > 0) await this.#log.write(resets(this.#resets), 'end');
  }

  release(): Promise<void> {
    return closeBoth(this.#cache, this.#log);
  }
}

async function closeBoth(cache: LockedFile | undefined, log: LockedFile): Promise<void> {
  try {
    await cache?.close();
  } finally {
    await log.close();
  }
}
