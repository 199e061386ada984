/**
 * Makes the calls to a directory of key files: two at a time, so that one that hangs takes two of libuv's
 * threads and no more. Tells when it hangs, so that nobody begins to wait for it. A key file may be a link to
 * another directory, which hangs by itself.
 */
import { performance } from 'node:perf_hooks';

/** Makes a call about something in a directory, perhaps later: what a share of threads does. */
export type Runner = <T>(directory: string, call: () => Promise<T>) => Promise<T>;

const AT_ONCE = 2;
/** A call that takes longer than this hangs; a disk that is only busy takes less. */
export const SILENT_AFTER_MS = 2000;

export class FileCalls {
  readonly #directory: string;
  readonly #run: Runner;
  readonly #begun = new Set<number>();
  readonly #waiting: (() => void)[] = [];

  constructor(directory: string, run: Runner) {
    this.#directory = directory;
    this.#run = run;
  }

  get isIdle(): boolean {
    return this.#begun.size === 0;
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
      return await this.#run(this.#directory, call);
    } finally {
      this.#begun.delete(begun);
      this.#waiting.shift()?.();
    }
  }
}

/** Thrown at once where waiting would be in vain. */
export class SilentError extends Error {
  constructor(directory: string) {
    super(`${directory} does not answer`);
  }
}

/** The calls to the directories that links lead to. */
export class LinkedCalls {
  readonly #run: Runner;
  readonly #byDirectory = new Map<string, FileCalls>(); // those under way

  constructor(run: Runner) {
    this.#run = run;
  }

  /** Throws SilentError where the directory hangs. */
  async make<T>(directory: string, call: () => Promise<T>): Promise<T> {
    const calls = this.#byDirectory.get(directory) ?? new FileCalls(directory, this.#run);
    if (calls.isSilent) throw new SilentError(directory);
    this.#byDirectory.set(directory, calls);
    try {
      return await calls.make(call);
    } finally {
      if (calls.isIdle) this.#byDirectory.delete(directory);
    }
  }
}
