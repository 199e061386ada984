/** What waits to be looked at, and when. Bounded: what there is no room for is found by a later sweep. */

/** A folder of a mailbox. */
export interface Place {
  readonly address: string;
  readonly mailbox: string;
  /** As the setting has it. */
  readonly name: string;
  /** Its directory in the mailbox, such as `.Sent`. */
  readonly directory: string;
  /** Its path, with one character for each byte. */
  readonly path: string;
}

export interface Waiting {
  readonly place: Place;
  /** Names of messages; undefined: all that have changed since. */
  readonly names: ReadonlySet<string> | undefined;
  /** Nothing of before has to be looked at. In ms since the epoch, as is `dueAt`. */
  readonly sinceMs: number;
  readonly dueAt: number;
}

const MOST_FOLDERS = 20_000;
const MOST_NAMES = 1000;

export class Due {
  readonly #waiting = new Map<string, Waiting>();
  #earliest = Number.POSITIVE_INFINITY;
  /** Whether there was no room for something. */
  isOverfull = false;

  /** When the first one is due. */
  get earliest(): number {
    return this.#earliest;
  }

  /** From when on something has not been looked at. */
  get sinceMs(): number {
    return [...this.#waiting.values()].reduce(
      (least, { sinceMs }) => Math.min(least, sinceMs),
      Number.POSITIVE_INFINITY,
    );
  }

  /** Adds to what waits for the same folder already, which is due no later than before. */
  add(fresh: Waiting): void {
    const { path } = fresh.place;
    const known = this.#waiting.get(path);
    if (known === undefined && this.#waiting.size >= MOST_FOLDERS) {
      this.isOverfull = true;
      return;
    }
    const merged = known === undefined ? fresh : both(known, fresh);
    this.#waiting.set(path, merged);
    this.#earliest = Math.min(this.#earliest, merged.dueAt);
  }

  /** Takes out what is due. */
  take(nowMs: number): Waiting[] {
    if (this.#earliest > nowMs) return [];
    const due = [...this.#waiting.values()].filter(({ dueAt }) => dueAt <= nowMs);
    for (const { place } of due) this.#waiting.delete(place.path);
    this.#earliest = [...this.#waiting.values()].reduce(
      (least, { dueAt }) => Math.min(least, dueAt),
      Number.POSITIVE_INFINITY,
    );
    return due;
  }
}

function both(known: Waiting, fresh: Waiting): Waiting {
  const names =
    known.names === undefined || fresh.names === undefined
      ? undefined
      : new Set([...known.names, ...fresh.names]);
  return {
    place: fresh.place,
    names: names !== undefined && names.size > MOST_NAMES ? undefined : names,
    sinceMs: Math.min(known.sinceMs, fresh.sinceMs),
    dueAt: Math.min(known.dueAt, fresh.dueAt),
  };
}
