/**
 * Logins that wait for their turn. Turns and places are shared between where they come from: whoever asks for
 * many keeps out those who come from the same place, and nobody else.
 */
import { performance } from 'node:perf_hooks';

const PATIENCE_MS = 20_000;
const WAITING_FOR_EACH = 16;

interface Waiting {
  readonly until: number;
  /** False if there is none. */
  turn(hasIt: boolean): void;
}

/** Where somebody is, from wide to narrow: such as a site, a network of it, and a user there. */
export type Whence = readonly string[];

/** Those who wait at one place. Its narrower places have their turns one after the other. */
class Place {
  /** Next is the first one. */
  readonly #within = new Map<string, Place>();
  readonly #own: Waiting[] = [];
  count = 0;

  add(waiting: Waiting, [narrower, ...rest]: Whence): void {
    this.count++;
    if (narrower === undefined) return void this.#own.push(waiting);
    const place = this.#within.get(narrower) ?? new Place();
    this.#within.set(narrower, place);
    place.add(waiting, rest);
  }

  /** Takes out who is next. */
  next(): Waiting | undefined {
    const [first] = this.#within;
    const next = first === undefined ? this.#own.shift() : first[1].next();
    if (next !== undefined) this.count--;
    if (first === undefined) return next;
    const [name, place] = first;
    this.#within.delete(name);
    if (place.count > 0) this.#within.set(name, place);
    return next;
  }

  /** Takes out who gives way to somebody new: one of those who have more places than they, if any have. */
  yielding([narrower, ...rest]: Whence): Waiting | undefined {
    if (narrower === undefined) return undefined;
    const theirs = this.#within.get(narrower);
    const fullest = this.#fullest();
    const isUnfair = fullest !== undefined && fullest[1].count > (theirs?.count ?? 0) + 1;
    const out = isUnfair ? this.#lastOf(fullest) : theirs?.yielding(rest);
    if (out !== undefined) this.count--;
    return out;
  }

  /** Takes out who came last, where most are. */
  #last(): Waiting | undefined {
    const fullest = this.#fullest();
    const last = fullest === undefined ? this.#own.pop() : this.#lastOf(fullest);
    if (last !== undefined) this.count--;
    return last;
  }

  #lastOf([name, place]: readonly [string, Place]): Waiting | undefined {
    const last = place.#last();
    if (place.count === 0) this.#within.delete(name);
    return last;
  }

  #fullest(): readonly [string, Place] | undefined {
    let fullest: readonly [string, Place] | undefined;
    for (const each of this.#within)
      if (fullest === undefined || each[1].count >= fullest[1].count) fullest = each;
    return fullest;
  }
}

/** So many go at one time; who would have to wait for too long is told to come later. */
export class Queue {
  readonly #most: number;
  readonly #waiting = new Place();
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
    this.#most = atOnce * WAITING_FOR_EACH;
  }

  async run<T>(whence: Whence, work: () => Promise<T>): Promise<T | 'busy'> {
    if (!(await this.#turn(whence))) return 'busy';
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  async #turn(whence: Whence): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#waiting.count >= this.#most) {
      const out = this.#waiting.yielding(whence);
      if (out === undefined) return false;
      out.turn(false);
    }
    const until = performance.now() + PATIENCE_MS;
    return new Promise((turn) => this.#waiting.add({ until, turn }, whence));
  }

  #next(): void {
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) {
      const hasIt = next.until >= performance.now();
      next.turn(hasIt);
      if (hasIt) return;
    }
    this.#free++;
  }
}
