/** What a worker has counted, told in one after a moment: to tell each on its own would cost. */
import { Counts, type Row } from './counts.ts';

const TELL_MS = 500;

export class Batch {
  readonly #counts = new Counts();
  readonly #tell: (rows: readonly Row[]) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (rows: readonly Row[]) => void) {
    this.#tell = tell;
  }

  add(row: Row): void {
    this.#counts.add(row);
    this.#timer ??= setTimeout(() => this.flush(), TELL_MS).unref();
  }

  /** Tells at once what was not told yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const rows = this.#counts.take();
    if (rows.length > 0) this.#tell(rows);
  }
}
