/**
 * The share of libuv's threads that somebody may have: one file system, or all of them together. A
 * call that hangs keeps its thread, and nothing can take the thread back: without shares one disk
 * that hangs would stop the deliveries to all others and the look-ups of keys. Further calls wait
 * here for their turn; once there has been no answer for too long they fail at once, so that
 * neither clients nor memory are held up by it.
 */
import type { Liveness } from './liveness.ts';

/**
 * How many threads libuv is told to have when the program starts (sealdir.cts, D17e): its four are too few.
 */
export const POOL_THREADS = 512;
/** Single file calls of all file systems together may take this many. */
export const POOL_SHARE = 60;
/** So twenty file systems may hang before one that does not is held up. */
export const FILE_SYSTEM_THREADS = 3;
/** The fsyncs of one file system's batches may take this many on top: three slow ones may hang at once. */
export const SYNC_THREADS = 128;

export class ThreadShare {
  readonly #maxCalls: number;
  readonly #liveness: Liveness;
  readonly #parent: ThreadShare | undefined;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `parent`: the larger share that this one is a part of. */
  constructor(maxCalls: number, liveness: Liveness, parent?: ThreadShare) {
    this.#maxCalls = maxCalls;
    this.#liveness = liveness;
    this.#parent = parent;
  }

  /**
   * Makes the call when there is a thread for it. Fails at once if the share is taken and nothing answers.
   */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#maxCalls && this.#liveness.isSilent)
      throw new Error('the file system does not answer');
    return this.#inTurn(() => this.#parent?.run(call) ?? call());
  }

  /** Makes the call when there is a thread for it, however long that takes: for calls that undo something. */
  async runNeverRefused<T>(call: () => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#parent?.runNeverRefused(call) ?? call());
  }

  async #inTurn<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running < this.#maxCalls) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // until a call ends
    this.#liveness.begin();
    try {
      return await call();
    } finally {
      this.#liveness.end();
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
