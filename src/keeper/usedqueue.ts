/**
 * Key files that deliveries have read, until a keeper has said that it knows of them: it may be slow, be
 * started again, or never be able to open its state. Their number and size are limited; when some had to be
 * left out, the keeper is to read all files instead.
 */
import type { OnUsed, UsedKeys } from '../core/usedkeys.ts';

const MOST = 5000;
const MOST_BYTES = 16 * 1024 * 1024;

export interface NumberedKeys extends UsedKeys {
  readonly n: number;
}

/** Tells a keeper. */
export interface UsedListener {
  used(keys: NumberedKeys): void;
  /** Some were left out. */
  missed(): void;
}

export class UsedQueue {
  readonly #waiting = new Map<number, NumberedKeys>();
  /** The last one that waits, by file. */
  readonly #last = new Map<string, NumberedKeys>();
  readonly #overflowed: () => void;
  #bytes = 0;
  #n = 0;
  #hasMissed = false;
  #listener: UsedListener | undefined;

  /** `overflowed`: is called when the first of some is left out. */
  constructor(overflowed: () => void) {
    this.#overflowed = overflowed;
  }

  /** How many are not logged yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes one. One that is told by several processes, or again, waits once. */
  readonly add: OnUsed = (keys) => {
    if (this.#last.get(keys.file)?.bytes.equals(keys.bytes)) return;
    if (this.#waiting.size >= MOST || this.#bytes + keys.bytes.length > MOST_BYTES) return this.#miss();
    const numbered = { ...keys, n: ++this.#n };
    this.#waiting.set(numbered.n, numbered);
    this.#last.set(keys.file, numbered);
    this.#bytes += keys.bytes.length;
    this.#listener?.used(numbered);
  };

  /** Tells this keeper from now on, and first of all those that wait. */
  listen(listener: UsedListener): void {
    this.#listener = listener;
    for (const keys of this.#waiting.values()) listener.used(keys);
  }

  /** Keeps what comes until the next one listens. */
  unlisten(listener: UsedListener): void {
    if (this.#listener === listener) this.#listener = undefined;
  }

  /** Forgets those up to a number: they are logged. */
  taken(n: number): void {
    for (const [each, keys] of this.#waiting) {
      if (each > n) break;
      this.#waiting.delete(each);
      this.#bytes -= keys.bytes.length;
      if (this.#last.get(keys.file) === keys) this.#last.delete(keys.file);
    }
    if (!this.#hasMissed || this.#waiting.size > 0 || this.#listener === undefined) return;
    this.#hasMissed = false;
    this.#listener.missed();
  }

  #miss(): void {
    if (this.#hasMissed) return;
    this.#hasMissed = true;
    this.#overflowed();
  }
}
