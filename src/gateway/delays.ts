/**
 * How long the answer to a wrong login is held back: longer with each from the same peer, and with each for
 * the same user from anywhere. Right logins are never held back, so that whoever guesses cannot keep the
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

export class Delays {
  readonly #world: Pick<World, 'now'>;
  readonly #wrong = new Map<string, Wrong>();
  /** Peers, each with a user who has logged in from there. */
  readonly #known = new Set<string>();

  constructor(world: Pick<World, 'now'>) {
    this.#world = world;
  }

  /** Notes a wrong login. Returns how long its answer is held back, in milliseconds. */
  wrong(peer: string, user: string): number {
    const counts = [`peer ${peer}`, `user ${user}`].map((key) => this.#count(key));
    return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, Math.max(...counts) - 1));
  }

  /** Forgets what a peer has typed wrong: it has found the right one. */
  right(peer: string, user: string): void {
    this.#wrong.delete(`peer ${peer}`);
    const known = `${peer} ${user}`;
    this.#known.delete(known);
    this.#known.add(known);
    const [oldest] = this.#known;
    if (this.#known.size > MOST_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Whether somebody has been wrong lately, there or about this user, unless they have been right before. */
  isDoubtful(peer: string, user: string): boolean {
    if (this.#known.has(`${peer} ${user}`)) return false;
    return this.#isWrong(`peer ${peer}`) || this.#isWrong(`user ${user}`);
  }

  #isWrong(key: string): boolean {
    const at = this.#wrong.get(key)?.at;
    return at !== undefined && this.#world.now() - at <= MEMORY_MS;
  }

  #count(key: string): number {
    const now = this.#world.now();
    const { count = 0, at = now } = this.#wrong.get(key) ?? {};
    const next = now - at > MEMORY_MS ? 1 : count + 1;
    this.#wrong.delete(key);
    this.#wrong.set(key, { count: next, at: now });
    const [oldest] = this.#wrong.keys();
    if (this.#wrong.size > MOST_REMEMBERED && oldest !== undefined) this.#wrong.delete(oldest);
    return next;
  }
}
