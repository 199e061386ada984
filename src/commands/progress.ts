/**
 * A bar on the terminal for work that takes long, on standard error. Draws nothing where that is no terminal,
 * and leaves nothing there in the end.
 */
import type { World } from '../core/world.ts';

const EVERY_MICROS = 100_000;
const CLEAR = '\r\x1b[K';
const CELLS = 30;

export class Progress {
  readonly #stream: NodeJS.WriteStream | undefined;
  readonly #what: string;
  readonly #total: number;
  readonly #world: Pick<World, 'micros'>;
  #done = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  /** `what`: of what there are `total`, in the plural. */
  constructor(stream: NodeJS.WriteStream, world: Pick<World, 'micros'>, what: string, total: number) {
    this.#stream = stream.isTTY ? stream : undefined;
    this.#world = world;
    this.#what = what;
    this.#total = total;
  }

  /** Tells that `count` more are done. */
  step(count = 1): void {
    this.#done += count;
    const now = this.#world.micros();
    if (this.#stream === undefined || now - this.#drawnAt < EVERY_MICROS) return;
    this.#drawnAt = now;
    const full = this.#total === 0 ? CELLS : Math.min(CELLS, Math.floor((this.#done / this.#total) * CELLS));
    const bar = '#'.repeat(full).padEnd(CELLS, '-');
    this.#stream.write(`${CLEAR}[${bar}] ${this.#done} of ${this.#total} ${this.#what}`);
  }

  /** Takes the bar away. */
  end(): void {
    if (Number.isFinite(this.#drawnAt)) this.#stream?.write(CLEAR);
  }
}
