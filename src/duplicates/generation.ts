/**
 * What was recorded in one stretch of time: the copies by identity and, with a state directory, the file that
 * holds the records. It takes no more records once it is as old as it may become, or full.
 */
import type { Record } from './record.ts';
import { RecordFile } from './recordfile.ts';
import { type Sketch, union } from './sketch.ts';

/** What is known of one copy. */
export interface Known {
  /** Seconds since the epoch, of the newest record. */
  time: number;
  /** The recipients that have their copy. */
  stored: Sketch;
  /** The last record of an attempt that is neither stored nor failed. */
  begun: Record | undefined;
}

export class Generation {
  readonly number: number;
  readonly #copies = new Map<string, Known>();
  readonly #file: RecordFile | undefined;
  #records = 0;
  /** The time of its first record, in seconds since the epoch. */
  startedAt: number | undefined;

  /** `path` is the file; without it, records are in memory only. */
  constructor(number: number, path: string | undefined) {
    this.number = number;
    this.#file = path === undefined ? undefined : new RecordFile(path, (record) => this.#take(record));
  }

  get hasFile(): boolean {
    return this.#file !== undefined;
  }

  of(copy: string): Known | undefined {
    return this.#copies.get(copy);
  }

  /**
   * Whether it has to be followed by another; the same for all processes, since they see the same records.
   */
  isOver(now: number, mostRecords: number, lastsSeconds: number): boolean {
    if (this.#file?.isDamaged || this.#records >= mostRecords) return true;
    // a clock may be set back
    return this.startedAt !== undefined && Math.abs(now - this.startedAt) >= lastsSeconds;
  }

  /** Appends a record. Throws if the file does not take it; then it is known here alone. */
  append(record: Record): void {
    if (this.#file === undefined) return this.#take(record);
    try {
      this.#file.append(record); // catchUp reads it again
    } catch (error) {
      this.#take(record);
      throw error;
    }
  }

  /** Reads what this process and others have appended. */
  catchUp(): void {
    this.#file?.catchUp();
  }

  close(): void {
    this.#file?.close();
  }

  #take(record: Record): void {
    const { copy, kind, paths, time } = record;
    this.#records++;
    this.startedAt ??= time;
    const known = this.#copies.get(copy) ?? { time, stored: 0, begun: undefined };
    this.#copies.set(copy, known);
    known.time = Math.max(known.time, time);
    if (kind === 'stored') known.stored = union(known.stored, paths);
    if (kind === 'begun') known.begun = record;
    else if (known.begun !== undefined && isSameAttempt(known.begun, record)) known.begun = undefined;
  }
}

function isSameAttempt(one: Record, other: Record): boolean {
  return one.file === other.file && one.process.pid === other.process.pid;
}
