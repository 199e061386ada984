/** When the keeper does what: looks that were asked for come before judging, and judging before reports. */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Say } from '../core/events.ts';
import type { World } from '../core/world.ts';
import type { Keeper, KeeperFigures } from './keeper.ts';
import type { NumberedKeys } from './usedqueue.ts';

/** Events come in swarms: the first is obeyed at once, and what comes in this time after it together. */
const GATHER_MS = 200;
const DAY_MS = 24 * 60 * 60 * 1000;
/** After a failure: a full disk, a lock that is held. */
const RETRY_MS = 60_000;
/** For notices whose mailbox is out of reach. */
const TELL_AGAIN_MS = 10 * 60_000;
/** The same failure is told once in this time. */
const QUIET_MS = 60 * 60_000;
/** Files that inotify is silent about are looked at this often, and less often if there are very many. */
const UNSETTLED_MS = 5000;
const UNSETTLED_EACH_MS = 1;

export interface RoundEvents {
  readonly say: Say;
  /** Figures that are new. */
  told(figures: KeeperFigures): void;
  /** What was told of up to this number is in the log. */
  taken(n: number): void;
  /** A look at the whole directory is about to begin. */
  looked(): void;
}

export class Rounds {
  readonly #keeper: Keeper;
  readonly #world: Pick<World, 'now'>;
  readonly #events: RoundEvents;
  #names = new Set<string>();
  #used: NumberedKeys[] = [];
  #wantsReading = false;
  #wantsAll = true;
  #wake: () => void = () => {};
  #isStopped = false;
  #dailyAt = Number.NEGATIVE_INFINITY;
  #version = '';
  #roundAt = Number.NEGATIVE_INFINITY;
  #failure = { error: '', at: Number.NEGATIVE_INFINITY };

  constructor(keeper: Keeper, world: Pick<World, 'now'>, events: RoundEvents) {
    this.#keeper = keeper;
    this.#world = world;
    this.#events = events;
  }

  askForAll(): void {
    this.#wantsAll = true;
    this.#wake();
  }

  /** Has all files read, also those that seem to be as they were. */
  askForReading(): void {
    this.#wantsReading = true;
    this.askForAll();
  }

  askFor(name: string): void {
    this.#names.add(name);
    this.#wake();
  }

  /** Has what a delivery has read compared with the log. */
  tellUsed(keys: NumberedKeys): void {
    this.#used.push(keys);
    this.#wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#keeper.stop();
    this.#wake();
  }

  /** Works until it is stopped. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      this.#roundAt = performance.now();
      const isDone = await this.round().then(
        () => true,
        (error: unknown) => this.#fail((error as Error).message),
      );
      await this.#rest(isDone);
    }
  }

  /** Logs what it was told of before it was stopped; whom to tell is known at the next start. */
  async finish(): Promise<void> {
    if (this.#keeper.hasLooked) await this.#takeUsed();
  }

  async #takeUsed(): Promise<void> {
    const all = this.#used;
    // the first entries are those of a look at all
    if (all.length > 0 && !this.#keeper.hasLooked) await this.#lookAtAll();
    for (let keys = all[0]; keys !== undefined; keys = all[0]) {
      // what cannot be logged now is still the first one then
      if (await this.#keeper.take(keys)) this.#names.add(keys.file);
      all.shift();
      this.#events.taken(keys.n);
    }
  }

  #fail(error: string): false {
    const at = performance.now();
    if (error === this.#failure.error && at - this.#failure.at < QUIET_MS) return false;
    this.#failure = { error, at };
    this.#events.say('error', 'keeper', { error });
    return false;
  }

  /** Does all that there is to do. */
  async round(): Promise<void> {
    let wasAll = false;
    if (!this.#wantsAll && this.#keeper.owesNotices) await this.#keeper.tellChanges();
    do {
      if (this.#wantsAll) {
        wasAll = true;
        this.#events.looked();
        this.#wantsAll = false;
        this.#names.clear();
        await this.#lookAtAll().catch((error: unknown) => {
          this.#wantsAll = true;
          throw error;
        });
      }
      if (!this.#isStopped) await this.#takeUsed();
      const names = this.#names;
      this.#names = new Set();
      if (names.size > 0)
        await this.#keeper.lookAt(names).catch((error: unknown) => {
          this.#wantsAll = true;
          throw error;
        });
    } while (!this.#isStopped && (await this.#keeper.judgeSome()));
    if (this.#isStopped || (!wasAll && this.#version === this.#keeper.version)) return;
    this.#version = this.#keeper.version;
    await this.#keeper.tellEndings();
    this.#events.told(this.#keeper.figures());
    if (this.#isDaily()) {
      this.#keeper.sayDaily();
      this.#dailyAt = this.#world.now();
    }
    if (wasAll) await this.#keeper.tidy();
  }

  /** Once a day all files are read, in case that one was changed and its time stamps set back. */
  async #lookAtAll(): Promise<void> {
    const wantsReading = this.#wantsReading;
    await this.#keeper.lookAtAll({ again: wantsReading || (this.#isDaily() && this.#dailyAt > 0) });
    if (wantsReading) this.#wantsReading = false;
  }

  #isDaily(): boolean {
    const passedMs = this.#world.now() - this.#dailyAt;
    return passedMs >= DAY_MS || passedMs < 0; // the clock may have run ahead
  }

  /** Waits until there is something to do. */
  async #rest(isDone: boolean): Promise<void> {
    if (this.#isStopped) return;
    const { owesNotices } = this.#keeper;
    const { unsettled, unreadable } = this.#keeper.unsettled;
    const some = Math.max(UNSETTLED_MS, unsettled.length * UNSETTLED_EACH_MS);
    const never = Number.POSITIVE_INFINITY;
    const ms = Math.min(
      isDone ? never : RETRY_MS,
      owesNotices ? TELL_AGAIN_MS : never,
      unsettled.length + unreadable.length > 0 ? some : never,
    );
    const isAwake = isDone && (this.#wantsAll || this.#names.size > 0 || this.#used.length > 0);
    if (!isAwake)
      await new Promise<void>((resolve) => {
        const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
        this.#wake = () => {
          if (!isDone && !this.#isStopped) return;
          clearTimeout(timer);
          resolve();
        };
      });
    for (const name of [...unsettled, ...unreadable]) this.#names.add(name);
    const early = this.#roundAt + GATHER_MS - performance.now();
    if (!this.#isStopped && early > 0) await pause(early);
  }
}
