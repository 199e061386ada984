/**
 * The counts of a server: kept in one process, written to its state directory a moment after they change, and
 * at its end. A file that cannot be read is set aside; one that cannot be written is tried again. Mail never
 * waits for either.
 */
import type { World } from '../core/world.ts';
import { Counts, type Row } from './counts.ts';
import { BadReport, readReport, setAside, writeReport } from './reportfile.ts';

/** How long a count may be in memory only. */
const SAVE_MS = 2000;
/** What was last seen so long ago is forgotten. */
const KEPT_MS = 90 * 24 * 60 * 60 * 1000;

export interface TlsReportParts {
  /** Undefined: nothing is written. */
  readonly directory: string | undefined;
  readonly world: Pick<World, 'now'>;
  /** Is told once of each trouble, until it is over. */
  readonly fault: (error: unknown) => void;
}

export class TlsReport {
  readonly #parts: TlsReportParts;
  #since: number;
  #counts = new Counts();
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isFailing = false;

  private constructor(parts: TlsReportParts) {
    this.#parts = parts;
    this.#since = parts.world.now();
  }

  /** Goes on with the counts of the server before. Never rejects. */
  static async open(parts: TlsReportParts): Promise<TlsReport> {
    const report = new TlsReport(parts);
    await report.#load().catch((error: unknown) => parts.fault(error));
    return report;
  }

  add(rows: readonly Row[]): void {
    for (const row of rows) this.#counts.add(row);
    if (rows.length === 0 || this.#parts.directory === undefined) return;
    this.#timer ??= setTimeout(() => this.#save(), SAVE_MS).unref();
  }

  /** Writes what is not written yet. */
  async stop(): Promise<void> {
    if (this.#timer !== undefined) this.#save();
    await this.#saving;
  }

  async #load(): Promise<void> {
    const { directory } = this.#parts;
    if (directory === undefined) return;
    try {
      const read = await readReport(directory);
      if (read === undefined) return;
      this.#since = Math.min(read.since, this.#since);
      this.#counts = new Counts(this.#recent(read.rows));
    } catch (error) {
      if (error instanceof BadReport) await setAside(directory);
      throw error;
    }
  }

  #save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { directory, fault } = this.#parts;
    if (directory === undefined) return;
    this.#counts = new Counts(this.#recent(this.#counts.rows));
    const report = { since: this.#since, rows: this.#counts.rows };
    const write = async () => {
      try {
        await writeReport(directory, report);
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing) fault(error);
        this.#isFailing = true;
      }
    };
    this.#saving = this.#saving.then(write);
  }

  #recent(rows: readonly Row[]): Row[] {
    return rows.filter(({ last }) => this.#parts.world.now() - last < KEPT_MS);
  }
}
