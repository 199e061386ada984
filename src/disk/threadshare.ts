/**
 * The share of libuv's threads that one file system may have. libuv has few, a call that hangs
 * keeps its thread, and nothing can take the thread back: without shares one disk that hangs
 * would stop the deliveries to all others and the look-ups of keys. Further calls wait here for
 * their turn; once the file system has been silent for too long they fail at once, so that
 * neither clients nor memory are held up by it.
 */
import type { Liveness } from './liveness.ts';

/** Of the four threads that libuv has unless told otherwise, one is left for everything else. */
const MAX_CALLS = 3;

export class ThreadShare {
  readonly #liveness: Liveness;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(liveness: Liveness) {
    this.#liveness = liveness;
  }

  /**
   * Makes the call when there is a thread for it. Fails at once if the share is taken and the file system
   * silent.
   */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_CALLS && this.#liveness.isSilent)
      throw new Error('the file system does not answer');
    return this.runInTime(call);
  }

  /** Makes the call when there is a thread for it, however long that takes: for what undoes something. */
  async runInTime<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running < MAX_CALLS) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve)); // for the thread of a call that ends
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
