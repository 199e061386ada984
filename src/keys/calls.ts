/**
 * Makes the calls to the file system of the key directory: two at a time, so that a directory that hangs
 * takes two of libuv's threads and no more. Tells when it hangs, so that nobody begins to wait for it.
 */
import { performance } from 'node:perf_hooks';

/** Makes a call, perhaps later: what a share of threads does. */
export type Runner = <T>(call: () => Promise<T>) => Promise<T>;

const AT_ONCE = 2;
/** A call that takes longer than this hangs; a disk that is only busy takes less. */
export const SILENT_AFTER_MS = 2000;

export class FileCalls {
  readonly #run: Runner;
  readonly #begun = new Set<number>();
  readonly #waiting: (() => void)[] = [];

  constructor(run: Runner) {
    this.#run = run;
  }

  /** Whether a call has been under way for so long that the file system hangs. */
  get isSilent(): boolean {
    const [oldest = Number.POSITIVE_INFINITY] = this.#begun;
    return performance.now() - oldest > SILENT_AFTER_MS;
  }

  async make<T>(call: () => Promise<T>): Promise<T> {
    if (this.#begun.size >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let begun = performance.now();
    while (this.#begun.has(begun)) begun += 0.001; // two calls in one tick of the clock are still two
    this.#begun.add(begun);
    try {
      return await this.#run(call);
    } finally {
      this.#begun.delete(begun);
      this.#waiting.shift()?.();
    }
  }
}
