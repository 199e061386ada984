/**
 * Tells how many batches a file system may have under way at once, from how long its fsyncs take.
 * A fast one gets one batch at a time: the more has come meanwhile goes together, the less each
 * message costs. A slow one gets several, since fsyncs that run together share the disk's work.
 */
import type { World } from '../core/world.ts';
import type { Liveness } from './liveness.ts';
import type { Done } from './thread.ts';

/**
 * One batch more for each time that one more file in a batch takes this long. Below it, a batch costs more in
 * wake-ups than it saves.
 */
const SLOW_FSYNC_MS = 0.3;
/** A batch that takes longer is on a slow disk, or hangs: others begin beside it as if it were not there. */
export const LATE_MS = 50;
/** But not beside more than these: on a fast file system they hang, and each keeps a thread of 8 MB. */
const MAX_PASSED_OVER = 3;
const MAX_BATCHES = 8;
/** As many batches as a file system that was fast keeps when it hangs. */
export const HUNG_BATCHES = MAX_PASSED_OVER + 1;
/** How much the last batch counts for the mean. */
const WEIGHT = 0.2;

export interface Batch {
  /** When it began, in milliseconds of the World. */
  readonly since: number;
  /** How many were under way when it had begun. */
  readonly atOnce: number;
}

export class BatchPace {
  readonly #world: Pick<World, 'micros'>;
  readonly #liveness: Liveness;
  readonly #underWay = new Set<Batch>();
  #fsyncMs = 0; // what one more file costs, the mean of the last batches

  constructor(world: Pick<World, 'micros'>, liveness: Liveness) {
    this.#world = world;
    this.#liveness = liveness;
  }

  /** How many more batches the file system may have now. Zero or less means: wait. */
  get room(): number {
    const lateSince = this.#now() - LATE_MS;
    let late = 0;
    for (const { since } of this.#underWay) if (since <= lateSince) late++;
    const counted = this.#underWay.size - Math.min(late, MAX_PASSED_OVER);
    const worth = Math.max(1, Math.round(this.#fsyncMs / SLOW_FSYNC_MS));
    return Math.min(worth - counted, MAX_BATCHES - this.#underWay.size);
  }

  /** It has batches under way, and the file system has been silent for too long. */
  get isStuck(): boolean {
    return this.#underWay.size > 0 && this.#liveness.isSilent;
  }

  begin(): Batch {
    this.#liveness.begin();
    const batch = { since: this.#now(), atOnce: this.#underWay.size + 1 };
    this.#underWay.add(batch);
    return batch;
  }

  /** `done` is what came of the batch, undefined where that is not known. */
  end(batch: Batch, done: Done | undefined): void {
    const atOnce = Math.max(batch.atOnce, this.#underWay.size);
    this.#underWay.delete(batch);
    this.#liveness.end();
    if (done !== undefined) this.#learn(done, atOnce);
  }

  /**
   * Learns from the files after the first, whose fsync often writes what the others wait for as
   * well. Batches that waited for the disk together share the price: otherwise each that begins
   * would make the disk look slower and bring the next. Time in which the thread waited for a
   * processor is no sign of a slow disk.
   */
  #learn({ answers, diskShare }: Done, atOnce: number): void {
    const fsyncs = answers.filter((answer) => typeof answer === 'number' && answer > 0); // a rename has none
    const others = fsyncs.slice(1) as number[];
    const mean = others.reduce((sum, ms) => sum + ms, 0) / others.length;
    const price = (mean * diskShare) / atOnce;
    if (Number.isFinite(price)) this.#fsyncMs += WEIGHT * (price - this.#fsyncMs);
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}
