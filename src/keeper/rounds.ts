/** When the keeper does what: looks that were asked for come before judging, and judging before reports. */
import type { World } from '../core/world.ts';
import type { Keeper, KeeperFigures, Say } from './keeper.ts';

/** Events come in swarms; a file that is being written is not looked at in its first moment. */
const GATHER_MS = 200;
const DAY_MS = 24 * 60 * 60 * 1000;
/** After a failure: a full disk, a lock that is held, a mailbox out of reach. */
const RETRY_MS = 60_000;
/** Files that inotify is silent about are looked at this often, and less often if there are many. */
const UNSETTLED_MS = 5000;
const UNSETTLED_EACH_MS = 10;

export interface RoundEvents {
  readonly say: Say;
  /** Figures that are new. */
  told(figures: KeeperFigures): void;
  /** A look at the whole directory is about to begin. */
  looked(): void;
}

export class Rounds {
  readonly #keeper: Keeper;
  readonly #world: Pick<World, 'now'>;
  readonly #events: RoundEvents;
  #names = new Set<string>();
  #wantsAll = true;
  #wake: () => void = () => {};
  #isStopped = false;
  #dailyAt = Number.NEGATIVE_INFINITY;
  #version = '';

  constructor(keeper: Keeper, world: Pick<World, 'now'>, events: RoundEvents) {
    this.#keeper = keeper;
    this.#world = world;
    this.#events = events;
  }

  askForAll(): void {
    this.#wantsAll = true;
    this.#wake();
  }

  askFor(name: string): void {
    this.#names.add(name);
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
      const isDone = await this.round().then(
        () => true,
        (error: unknown) => {
          this.#events.say('error', 'keeper', { error: (error as Error).message });
          return false;
        },
      );
      await this.#rest(isDone);
    }
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
    if (wasAll) this.#keeper.tidy();
  }

  /** Once a day all files are read, in case that one was changed and its time stamps set back. */
  #lookAtAll(): Promise<void> {
    return this.#keeper.lookAtAll({ again: this.#isDaily() && this.#dailyAt > 0 });
  }

  #isDaily(): boolean {
    return this.#world.now() - this.#dailyAt >= DAY_MS;
  }

  /** Waits until there is something to do. */
  async #rest(isDone: boolean): Promise<void> {
    if (this.#isStopped) return;
    const { unsettled, owesNotices } = this.#keeper;
    const some = Math.max(UNSETTLED_MS, unsettled.length * UNSETTLED_EACH_MS);
    const retry = isDone && !owesNotices ? Number.POSITIVE_INFINITY : RETRY_MS;
    const ms = Math.min(retry, unsettled.length > 0 ? some : Number.POSITIVE_INFINITY);
    const isAwake = isDone && (this.#wantsAll || this.#names.size > 0);
    if (!isAwake)
      await new Promise<void>((resolve) => {
        const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
        this.#wake = () => {
          if (!isDone && !this.#isStopped) return;
          clearTimeout(timer);
          resolve();
        };
      });
    for (const name of unsettled) this.#names.add(name);
    if (!this.#isStopped) await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  }
}
