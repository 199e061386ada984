/**
 * How long the answer to a wrong login is held back: longer with each from the same network, and with each
 * for the same user from anywhere. Right logins are never held back, so that whoever guesses cannot keep the
 * owner out.
 */
import type { World } from '../core/world.ts';

const FIRST_MS = 250;
const LONGEST_MS = 15_000;
/** What is wrong is forgotten after this long without another. */
const MEMORY_MS = 15 * 60_000;
const MOST_REMEMBERED = 10_000;

interface Wrong {
  readonly count: number;
  readonly at: number;
}

/** Networks are as networkOf says, undefined for this machine; users are canonical addresses. */
export class Delays {
  readonly #world: Pick<World, 'now'>;
  readonly #networks = new Map<string, Wrong>();
  readonly #users = new Map<string, Wrong>();
  /** Networks and this machine, each with a user who has logged in from there. */
  readonly #known = new Map<string, true>();

  constructor(world: Pick<World, 'now'>) {
    this.#world = world;
  }

  /** Notes a wrong login. Returns how long its answer is held back, in milliseconds. */
  wrong(network: string | undefined, user: string): number {
    const ofNetwork = network === undefined ? 0 : this.#count(this.#networks, network);
    const most = Math.max(ofNetwork, this.#count(this.#users, user));
    return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, most - 1));
  }

  /** Notes who has logged in from where. What else was wrong there is not forgotten. */
  right(network: string | undefined, user: string): void {
    remember(this.#known, `${network ?? ''} ${user}`, true);
  }

  /** Whether this user was right before, from there. */
  isKnown(network: string | undefined, user: string): boolean {
    return this.#known.has(`${network ?? ''} ${user}`);
  }

  /** Whether somebody has been wrong lately, there or about this user. */
  isDoubtful(network: string | undefined, user: string): boolean {
    const ofNetwork = network === undefined ? undefined : this.#networks.get(network);
    return this.#isRecent(ofNetwork) || this.#isRecent(this.#users.get(user));
  }

  #isRecent(wrong: Wrong | undefined): boolean {
    return wrong !== undefined && this.#world.now() - wrong.at <= MEMORY_MS;
  }

  #count(all: Map<string, Wrong>, key: string): number {
    const former = all.get(key);
    const count = former !== undefined && this.#isRecent(former) ? former.count + 1 : 1;
    remember(all, key, { count, at: this.#world.now() });
    return count;
  }
}

/** Keeps what was noted last. */
function remember<T>(all: Map<string, T>, key: string, value: T): void {
  all.delete(key);
  all.set(key, value);
  const [oldest] = all.keys();
  if (all.size > MOST_REMEMBERED && oldest !== undefined) all.delete(oldest);
}
