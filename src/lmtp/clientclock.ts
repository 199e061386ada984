/**
 * Measures how long a client makes us wait. Whatever is due from it, the next command or the next block of
 * a message, has a time limit. The clock stands still while the client waits for us, so that a slow disk or
 * a slow look-up is never held against it (D20). Time comes in through World; timers are only a reason to
 * look at it.
 */
import type { Why } from '../core/outcome.ts';
import type { World } from '../core/world.ts';

export class ClientClock {
  readonly #world: Pick<World, 'micros'>;
  readonly #late: (why: Why) => void;
  #why: Why = 'idle';
  #leftMs = 0; // what the client had left of its time at #since
  #since = 0; // when the clock was last set going
  #pauses = 0; // pieces of our work that the client waits for
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** `late` is called once for each `expect` whose time has run out, with the reason given there. */
  constructor(world: Pick<World, 'micros'>, late: (why: Why) => void) {
    this.#world = world;
    this.#late = late;
  }

  /** The client waits for us. */
  get isPaused(): boolean {
    return this.#pauses > 0;
  }

  /** Gives the client `ms` of its own time to send what comes next. Replaces what was expected before. */
  expect(ms: number, why: Why): void {
    this.#why = why;
    this.#leftMs = ms;
    this.#since = this.#now();
    this.#stopTimer();
    this.#startTimer();
  }

  /** Does work that the client waits for, and stops the clock meanwhile. Pauses may overlap. */
  async pause<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pauses++ === 0) this.#leftMs -= this.#now() - this.#since;
    try {
      return await work();
    } finally {
      this.#since = this.#now();
      if (--this.#pauses === 0) this.#startTimer();
    }
  }

  /** Ends the clock for good: nothing is late any more, not even what is expected after this. */
  stop(): void {
    this.#isStopped = true;
    this.#stopTimer();
  }

  #look(): void {
    this.#timer = undefined;
    if (this.isPaused) return; // the end of the pause starts a new timer
    this.#leftMs -= this.#now() - this.#since;
    this.#since = this.#now();
    if (this.#leftMs > 0) this.#startTimer();
    else this.#late(this.#why);
  }

  /** Keeps a timer that is running already: it may fire too early, and #look then starts another. */
  #startTimer(): void {
    if (!this.#isStopped) this.#timer ??= setTimeout(() => this.#look(), this.#leftMs);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}
