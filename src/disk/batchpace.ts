/**
 * Tells how much of a file system's work goes at once, from what an fsync costs there. Fast: one
 * batch at a time, its fsyncs one after the other; all that comes meanwhile goes together, so the
 * more there is to do the less each message costs. Slow: everything that is queued goes at once, and
 * the fsyncs of a batch together, since all who wait for the journal at one time share its commit,
 * and processors have nothing else to do.
 */
import type { World } from '../core/world.ts';
import type { Liveness } from './liveness.ts';

/** From here on an fsync costs more than the wake-ups that let it run beside others. */
const SLOW_FSYNC_MS = 0.5;
/**
 * How much the last measurement counts for the mean, and the most it counts as: an odd one proves nothing.
 */
const WEIGHT = 0.1;
const MAX_MEASURED_MS = 4 * SLOW_FSYNC_MS;
/** On a slow disk every 32nd batch is a single file, fsynced by the thread to measure the disk. */
const MEASURE_EVERY = 32;
/** A batch that takes longer is on a slow disk, or hangs: others begin beside it as if it were not there. */
export const LATE_MS = 50;
/** But not beside more than these: on a fast file system they hang, and each keeps a thread of 8 MB. */
const MAX_PASSED_OVER = 3;
const MAX_BATCHES = 8;
/** As many batches as a file system that was fast keeps when it hangs. */
export const HUNG_BATCHES = MAX_PASSED_OVER + 1;

export interface Batch {
  /** When it began, in milliseconds of the World. */
  readonly since: number;
}

export class BatchPace {
  readonly #world: Pick<World, 'micros'>;
  readonly #liveness: Liveness;
  readonly #syncsAtOnce: number;
  readonly #underWay = new Set<Batch>();
  #fsyncMs = 0; // the mean of the last ones measured
  #count = 0;

  /** `syncThreads`: how many of libuv's threads the fsyncs of this file system may take. */
  constructor(world: Pick<World, 'micros'>, liveness: Liveness, syncThreads: number) {
    this.#world = world;
    this.#liveness = liveness;
    this.#syncsAtOnce = Math.max(1, Math.trunc(syncThreads / MAX_BATCHES));
  }

  /** How many more batches the file system may have now. Zero or less means: wait. */
  get room(): number {
    const free = MAX_BATCHES - this.#underWay.size;
    if (this.#isSlow) return free;
    const lateSince = this.#now() - LATE_MS;
    let late = 0;
    for (const { since } of this.#underWay) if (since <= lateSince) late++;
    const counted = this.#underWay.size - Math.min(late, MAX_PASSED_OVER);
    return Math.min(1 - counted, free);
  }

  /** How many files the next batch may have, and how many of their fsyncs go at one time. */
  get next(): { readonly maxJobs: number; readonly syncsAtOnce: number } {
    if (!this.#isSlow) return { maxJobs: Number.POSITIVE_INFINITY, syncsAtOnce: 1 };
    if (this.#count % MEASURE_EVERY === 0) return { maxJobs: 1, syncsAtOnce: 1 };
    return { maxJobs: Number.POSITIVE_INFINITY, syncsAtOnce: this.#syncsAtOnce };
  }

  /** It has batches under way, and the file system has been silent for too long. */
  get isStuck(): boolean {
    return this.#underWay.size > 0 && this.#liveness.isSilent;
  }

  begin(): Batch {
    this.#liveness.begin();
    this.#count++;
    const batch = { since: this.#now() };
    this.#underWay.add(batch);
    return batch;
  }

  /** `fsyncMs` is what an fsync took of the disk's time, undefined where that was not measured. */
  end(batch: Batch, fsyncMs: number | undefined): void {
    this.#underWay.delete(batch);
    this.#liveness.end();
    if (fsyncMs === undefined) return;
    this.#fsyncMs += WEIGHT * (Math.min(fsyncMs, MAX_MEASURED_MS) - this.#fsyncMs);
  }

  get #isSlow(): boolean {
    return this.#fsyncMs > SLOW_FSYNC_MS;
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}
