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
  readonly #totalBytes: number | undefined;
  readonly #begunAt: number;
  #bytes = 0;
  #done = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  /** `what`: of what there are `total`, in the plural. `totalBytes`: their size, where that counts. */
  constructor(
    stream: NodeJS.WriteStream,
    world: Pick<World, 'micros'>,
    what: string,
    total: number,
    totalBytes?: number,
  ) {
    this.#stream = stream.isTTY ? stream : undefined;
    this.#world = world;
    this.#what = what;
    this.#total = total;
    this.#totalBytes = totalBytes;
    this.#begunAt = world.micros();
  }

  /** Tells that `count` more are done. */
  step(count = 1, bytes = 0): void {
    this.#done += count;
    this.#bytes += bytes;
    const now = this.#world.micros();
    if (this.#stream === undefined || now - this.#drawnAt < EVERY_MICROS) return;
    this.#drawnAt = now;
    const share = this.#share();
    const full = Math.min(CELLS, Math.floor(share * CELLS));
    const bar = '#'.repeat(full).padEnd(CELLS, '-');
    this.#stream.write(
      `${CLEAR}[${bar}] ${this.#done} of ${this.#total} ${this.#what}${this.#rest(share, now)}`,
    );
  }

  #share(): number {
    const [done, total] =
      this.#totalBytes === undefined ? [this.#done, this.#total] : [this.#bytes, this.#totalBytes];
    return total === 0 ? 1 : done / total;
  }

  /** Says how many bytes are done, and how long the rest takes at this pace. */
  #rest(share: number, now: number): string {
    if (this.#totalBytes === undefined) return '';
    const seconds = share === 0 ? 0 : ((now - this.#begunAt) / 1e6) * (1 / share - 1);
    const left = seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
    return `, ${mebibytes(this.#bytes)} of ${mebibytes(this.#totalBytes)} MiB, ${left} left`;
  }

  /** Takes the bar away. */
  end(): void {
    if (Number.isFinite(this.#drawnAt)) this.#stream?.write(CLEAR);
  }
}

function mebibytes(bytes: number): string {
  return (bytes / (1024 * 1024)).toFixed(1);
}
