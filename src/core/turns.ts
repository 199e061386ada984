/** Lets others have their turn of the event loop, between pieces of work that together may take long. */

/** As long as this nobody notices. */
const LONGEST_MS = 10;

export class Turns {
  readonly #longestMs: number;
  #since = performance.now();

  constructor(longestMs = LONGEST_MS) {
    this.#longestMs = longestMs;
  }

  /** To be called between two pieces: resolves in a later turn if this one has taken long enough. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < this.#longestMs) return;
    await new Promise(setImmediate);
    this.#since = performance.now();
  }
}
