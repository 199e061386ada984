/** Lets so many pieces of work go at one time; the others wait, first come first served. */
import { performance } from 'node:perf_hooks';

interface Waiting {
  readonly until: number;
  begin(): void;
  giveUp(): void;
}

/** The work was not begun: others were first for too long. */
export class TooBusyError extends Error {}

export class Semaphore {
  #free: number;
  readonly #patienceMs: number;
  readonly #waiting: Waiting[] = [];

  /**
   * What has waited for longer than `patienceMs` is not begun any more: whoever asked for it has left, and it
   * would only make the others wait.
   */
  constructor(most: number, patienceMs: number) {
    this.#free = most;
    this.#patienceMs = patienceMs;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn();
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  #turn(): Promise<void> {
    const until = performance.now() + this.#patienceMs;
    return new Promise((resolve, reject) => {
      const giveUp = () =>
        reject(new TooBusyError(`more at one time than can be done in ${this.#patienceMs} ms`));
      this.#waiting.push({ until, begin: resolve, giveUp });
    });
  }

  #next(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.until >= performance.now()) return next.begin();
      next.giveUp();
    }
    this.#free++;
  }
}
