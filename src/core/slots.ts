/**
 * Slots that are taken and given back: the connections of a peer, the deliveries to a mailbox.
 * Each is given back once, however often its holder says so: a way out may cross another.
 */
export class Slots {
  readonly #taken = new Map<string, number>();
  #total = 0;

  /** Takes a place of `name`; call what is returned to give it back. Undefined where `limit` are taken. */
  take(name: string, limit: number): (() => void) | undefined {
    const taken = this.#taken.get(name) ?? 0;
    if (taken >= limit) return undefined;
    this.#count(name, 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#count(name, -1);
      isHeld = false;
    };
  }

  /** Slots taken now, of all names. */
  get total(): number {
    return this.#total;
  }

  /** A name without a place taken is forgotten: peers and mailboxes come and go. */
  #count(name: string, change: 1 | -1): void {
    const taken = (this.#taken.get(name) ?? 0) + change;
    if (taken === 0) this.#taken.delete(name);
    else this.#taken.set(name, taken);
    this.#total += change;
  }
}
