/** Counts what the process of a user does, and tells its parent of it now and then. */
import type { MessageCounts } from '../core/gatewaymeter.ts';

const TOLD_MS = 1000;

export class Counts {
  readonly #tell: (counts: MessageCounts) => void;
  #now = nothing();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (counts: MessageCounts) => void) {
    this.#tell = tell;
  }

  opened(seconds: number, bytes: number): void {
    this.#now.openSeconds.push(seconds);
    this.#now.openedBytes += bytes;
    this.#tellSoon();
  }

  add(what: 'unopened' | 'sealed' | 'refused'): void {
    this.#now[what]++;
    this.#tellSoon();
  }

  /** Tells at once: a session ends, and the process may end with it. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tell(this.#now);
    this.#now = nothing();
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => this.flush(), TOLD_MS).unref();
  }
}

function nothing() {
  return { openSeconds: [] as number[], openedBytes: 0, unopened: 0, sealed: 0, refused: 0 };
}
