/** Which file system a directory is on, asked once in a while: by a number that has no other meaning. */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { SingleCalls } from './disk.ts';

/** Something may have been mounted there meanwhile. */
const FORGET_MS = 60_000;
const MAX_KNOWN = 10_000;

export class Devices {
  readonly #ask: SingleCalls['device'];
  #known = new Map<string, number>();
  readonly #asking = new Map<string, Promise<number>>();
  #forgetAt = 0;

  constructor(ask: SingleCalls['device']) {
    this.#ask = ask;
  }

  /** Not a promise where it is known, which it nearly always is. */
  of(directory: string): number | Promise<number> {
    if (performance.now() > this.#forgetAt || this.#known.size > MAX_KNOWN) {
      this.#known = new Map();
      this.#forgetAt = performance.now() + FORGET_MS;
    }
    return this.#known.get(directory) ?? this.#asking.get(directory) ?? this.#find(directory);
  }

  #find(directory: string): Promise<number> {
    const asking = this.#deviceOf(directory)
      .then((device) => {
        this.#known.set(directory, device);
        return device;
      })
      .finally(() => this.#asking.delete(directory));
    this.#asking.set(directory, asking);
    return asking;
  }

  /** Of a directory that is not there: of the one it would be in. */
  async #deviceOf(directory: string): Promise<number> {
    try {
      return await this.#ask(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(directory) === directory) throw error;
      return this.#deviceOf(dirname(directory));
    }
  }
}
