/**
 * How a file system keeps up, and so how many batches it may have under way at once. One where
 * it is fast: the more that has come meanwhile goes together, the less each message costs.
 * Several where a batch would wait long for the fsyncs of its files, since fsyncs that run
 * together share the disk's work.
 */
import { performance } from 'node:perf_hooks';
import type { Done } from './diskthread.ts';

/** Another batch at once for each time that one more file in a batch takes so long: below, its wake-ups cost more. */
const SLOW_FSYNC_MS = 0.3;
const MOST_BATCHES = 8;
/** One from which nothing came for so long is slow, or hangs: others go on beside what it has. */
export const LATE_MS = 50;
/** How much the last batch counts for the mean. */
const WEIGHT = 0.2;

export class Pace {
  #batches = 0; // under way
  #answeredAt = 0; // when the last one ended, or the first of those under way began
  #fsyncMs = 0; // what one more file costs, the mean of late

  /** How many more batches it may have now; none or fewer: wait. */
  get room(): number {
    const worth = this.isSilentFor(LATE_MS) ? MOST_BATCHES : Math.round(this.#fsyncMs / SLOW_FSYNC_MS);
    return Math.min(Math.max(worth, 1), MOST_BATCHES) - this.#batches;
  }

  /** It has work, and has answered none of it for longer than that. */
  isSilentFor(ms: number): boolean {
    return this.#batches > 0 && performance.now() - this.#answeredAt > ms;
  }

  begin(): void {
    if (this.#batches++ === 0) this.#answeredAt = performance.now();
  }

  /** `done`: of the batch that has ended; undefined where that is not known. */
  end(done: Done | undefined): void {
    if (done !== undefined) this.#learn(done);
    this.#batches--;
    this.#answeredAt = performance.now();
  }

  /**
   * Of the files behind the first one, whose fsync often writes what they wait for as well. Batches that waited for the disk
   * together share the price: where it only takes longer when there are several, more of them are not worth it. And a thread
   * that waits for a processor is no sign of a slow disk.
   */
  #learn({ answers, diskShare }: Done): void {
    const others = answers.slice(1).filter((answer) => typeof answer === 'number');
    if (others.length === 0) return;
    const mean = others.reduce((sum, ms) => sum + ms, 0) / others.length;
    this.#fsyncMs += WEIGHT * ((mean * diskShare) / this.#batches - this.#fsyncMs);
  }
}
