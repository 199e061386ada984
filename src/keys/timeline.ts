/**
 * What holds when, found out once for all times: to ask for one time costs little then, however often the
 * owner of a key said something else.
 */

/** Something that holds from one time to another, in milliseconds since the epoch. */
export interface Claim<T> {
  readonly from: number;
  readonly until: number;
  readonly value: T;
}

export class Timeline<T> {
  /** When something else may begin to hold, in order. */
  readonly times: readonly number[];
  /** What holds from each of these times on. */
  readonly #values: (T | undefined)[];

  /** `claims`: the most important first. Each holds at the times of its own at which none before it does. */
  constructor(claims: readonly Claim<T>[]) {
    this.times = inOrder(claims.flatMap(({ from, until }) => [from, until]));
    this.#values = this.times.map(() => undefined);
    const places = new Map(this.times.map((time, place) => [time, place]));
    const free = this.times.map((_, place) => place);
    for (const { from, until, value } of claims) {
      const end = places.get(until) ?? 0;
      for (let at = nextFree(free, places.get(from) ?? 0); at < end; at = nextFree(free, at)) {
        this.#values[at] = value;
        free[at] = at + 1;
      }
    }
  }

  at(time: number): T | undefined {
    let [from, to] = [0, this.times.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.times[middle] ?? 0) <= time) from = middle + 1;
      else to = middle;
    }
    return this.#values[from - 1];
  }
}

/** Returns each time once, the earliest first. */
export function inOrder(times: readonly number[]): number[] {
  return [...new Set(times)].sort((a, b) => a - b);
}

/** Returns the first free place from `place` on. `free` leads from each place towards it. */
function nextFree(free: number[], place: number): number {
  let at = place;
  for (let next = free[at] ?? at; next !== at; next = free[at] ?? at) {
    free[at] = free[next] ?? next; // the next search has half the way
    at = next;
  }
  return at;
}
