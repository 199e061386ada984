/**
 * Counts slots that are taken and released, by name: the connections of a peer, the deliveries to a mailbox.
 * Releasing a slot twice has no effect, since its holder may end in two ways at once.
 */
export class Slots {
  readonly #taken = new Map<string, number>();
  #total = 0;

  /**
   * Takes a slot of `name` and returns the function that releases it, or undefined if `limit` of them are
   * taken.
   */
  take(name: string, limit: number): (() => void) | undefined {
    if (this.isFull(name, limit)) return undefined;
    this.#count(name, 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#count(name, -1);
      isHeld = false;
    };
  }

  /** Tells whether `limit` slots of `name` are taken. */
  isFull(name: string, limit: number): boolean {
    return (this.#taken.get(name) ?? 0) >= limit;
  }

  /** How many slots are taken now, of all names. */
  get total(): number {
    return this.#total;
  }

  /** Forgets a name that has no slots taken, since peers and mailboxes come and go. */
  #count(name: string, change: 1 | -1): void {
    const taken = (this.#taken.get(name) ?? 0) + change;
    if (taken === 0) this.#taken.delete(name);
    else this.#taken.set(name, taken);
    this.#total += change;
  }
}
