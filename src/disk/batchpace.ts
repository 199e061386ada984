/**
 * How a file system keeps up, and so how many batches it may have under way at once. A fast one
 * gets one at a time: the more that has come meanwhile goes together, the less each message
 * costs. A slow one gets several, since fsyncs that run together share the disk's work.
 */
import { performance } from 'node:perf_hooks';
import type { Done } from './thread.ts';

/** Another batch at once for each time that one more file in a batch takes so long: below, its wake-ups cost more. */
const SLOW_FSYNC_MS = 0.3;
/** One that takes longer is on a slow disk, or hangs: others begin beside it as if it were not there. */
export const LATE_MS = 50;
const MOST_BATCHES = 8;
/** How much the last batch counts for the mean. */
const WEIGHT = 0.2;

export interface Batch {
  /** On the scale of performance.now(). */
  readonly since: number;
  /** How many were under way when it had begun. */
  readonly atOnce: number;
}

export class Pace {
  readonly #underWay = new Set<Batch>();
  #answeredAt = 0; // when the last one ended, or the first of those under way began
  #fsyncMs = 0; // what one more file costs, the mean of late

  /** How many more batches it may have now; none or fewer: wait. */
  get room(): number {
    const lateSince = performance.now() - LATE_MS;
    let inTime = 0;
    for (const { since } of this.#underWay) if (since > lateSince) inTime++;
    const worth = Math.max(1, Math.round(this.#fsyncMs / SLOW_FSYNC_MS));
    return Math.min(worth - inTime, MOST_BATCHES - this.#underWay.size);
  }

  /** It has work, and has answered none of it for longer than that. */
  isSilentFor(ms: number): boolean {
    return this.#underWay.size > 0 && performance.now() - this.#answeredAt > ms;
  }

  begin(): Batch {
    const batch = { since: performance.now(), atOnce: this.#underWay.size + 1 };
    if (batch.atOnce === 1) this.#answeredAt = batch.since;
    this.#underWay.add(batch);
    return batch;
  }

  /** `done`: what came of it; undefined where that is not known. */
  end(batch: Batch, done: Done | undefined): void {
    const atOnce = Math.max(batch.atOnce, this.#underWay.size);
    this.#underWay.delete(batch);
    this.#answeredAt = performance.now();
    if (done !== undefined) this.#learn(done, atOnce);
  }

  /**
   * From the files behind the first one, whose fsync often writes what they wait for as well. Batches that waited for the disk
   * together share the price, or each that begins would make the disk look slower and bring the next. And a thread that waits
   * for a processor is no sign of a slow disk.
   */
  #learn({ answers, diskShare }: Done, atOnce: number): void {
    const fsyncs = answers.filter((answer) => typeof answer === 'number' && answer > 0); // a rename has none
    const others = fsyncs.slice(1) as number[];
    const mean = others.reduce((sum, ms) => sum + ms, 0) / others.length;
    const price = (mean * diskShare) / atOnce;
    if (Number.isFinite(price)) this.#fsyncMs += WEIGHT * (price - this.#fsyncMs);
  }
}
