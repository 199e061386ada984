/**
 * Tells whether a file system still answers. Everything that is under way there is counted, by
 * whichever threads it is made, and every end of a call or batch is a sign of life.
 */
import type { World } from '../core/world.ts';

export class Liveness {
  readonly #world: Pick<World, 'micros'>;
  readonly #hungMs: number;
  #underWay = 0;
  #aliveAt = 0; // when the last answer came, or the wait for the first one began

  constructor(world: Pick<World, 'micros'>, hungMs: number) {
    this.#world = world;
    this.#hungMs = hungMs;
  }

  begin(): void {
    if (this.#underWay++ === 0) this.#aliveAt = this.#now();
  }

  end(): void {
    this.#underWay--;
    this.#aliveAt = this.#now();
  }

  /** It has been asked for something, and has answered nothing for longer than `hungMs`. */
  get isSilent(): boolean {
    return this.#underWay > 0 && this.#now() - this.#aliveAt > this.#hungMs;
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}
