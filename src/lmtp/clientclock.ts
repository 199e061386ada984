/**
 * Waiting for a client with an end. What is due from it, the next command or the next block of
 * a message, has a time; while the client waits for us that time stands still, so that a slow
 * disk or a late look-up of ours is never held against it.
 */
import type { Why } from '../core/outcome.ts';
import type { World } from '../core/world.ts';

export class Patience {
  readonly #world: Pick<World, 'micros'>;
  readonly #late: (why: Why) => void;
  #why: Why = 'idle';
  #leftMs = 0; // of the client's time, when its turn began
  #since = 0; // when that was
  #holders = 0; // pieces of work of ours that the client waits for
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `late` is told why, once for each `expect` that was in vain. */
  constructor(world: Pick<World, 'micros'>, late: (why: Why) => void) {
    this.#world = world;
    this.#late = late;
  }

  /** The client waits for us. */
  get isHeld(): boolean {
    return this.#holders > 0;
  }

  /** What comes next is due within `ms` of the client's time. Takes the place of what was due before. */
  expect(ms: number, why: Why): void {
    this.#why = why;
    this.#leftMs = ms;
    this.#since = this.#now();
    this.#stopTimer();
    this.#startTimer();
  }

  /** Work that the client waits for: until it is over, the clock stands still. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#holders++ === 0) this.#leftMs -= this.#now() - this.#since;
    try {
      return await work();
    } finally {
      this.#since = this.#now();
      if (--this.#holders === 0) this.#startTimer();
    }
  }

  /** Nothing is due any more, whatever is still asked for. */
  stop(): void {
    this.#isOver = true;
    this.#stopTimer();
  }

  #look(): void {
    this.#timer = undefined;
    if (this.isHeld) return; // the end of the work starts it again
    this.#leftMs -= this.#now() - this.#since;
    this.#since = this.#now();
    if (this.#leftMs > 0) this.#startTimer();
    else this.#late(this.#why);
  }

  /** One that is running may come too early, and then looks and starts again: cheaper than a new one each time. */
  #startTimer(): void {
    if (!this.#isOver) this.#timer ??= setTimeout(() => this.#look(), this.#leftMs);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}
