/**
 * Lets so many bytes a second be read and written, whoever asks, and leaves the disk to others for as long as
 * it was kept busy: on a slow one, that is the stricter limit.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { World } from '../core/world.ts';

/** What may be done at once after a time without work. */
const MOST_AHEAD_MICROS = 100_000;

export class Pace {
  readonly #bytesPerSecond: number;
  readonly #world: Pick<World, 'micros'>;
  /** When all that was asked for until now has been earned. */
  #paidAt = 0;

  /** 0: no limit. */
  constructor(bytesPerSecond: number, world: Pick<World, 'micros'>) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#world = world;
  }

  /** The disk was busy for so long: lets everybody wait. */
  rest(micros: number): void {
    if (this.#bytesPerSecond === 0) return;
    this.#paidAt = Math.max(this.#paidAt, this.#world.micros()) + micros;
  }

  /** Waits until it is the turn of whatever comes after these bytes. */
  async spend(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === 0) return;
    const now = this.#world.micros();
    this.#paidAt = Math.max(this.#paidAt, now - MOST_AHEAD_MICROS) + (bytes / this.#bytesPerSecond) * 1e6;
    if (this.#paidAt > now) await wait((this.#paidAt - now) / 1000);
  }
}
