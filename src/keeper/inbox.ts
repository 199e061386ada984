/** What the server tells a keeper after its settings. It waits until there is somebody to take it. */
import type { Rounds } from './rounds.ts';
import type { NumberedKeys } from './usedqueue.ts';

/** The server limits how many wait. */
export type Told = 'read all' | { readonly used: NumberedKeys };

export class Inbox {
  #waiting: Told[] = [];
  #rounds: Rounds | undefined;

  put(told: Told): void {
    if (this.#rounds === undefined) this.#waiting.push(told);
    else if (told === 'read all') this.#rounds.askForReading();
    else this.#rounds.tellUsed(told.used);
  }

  /** Hands on what waits, and all that comes. */
  open(rounds: Rounds): void {
    this.#rounds = rounds;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const told of waiting) this.put(told);
  }
}
