/**
 * Writes lines to a descriptor and never waits for its reader: a line for which there is no room is counted
 * and forgotten. Each line is written before `write` returns, so that a crash loses none. A line of which only
 * the beginning found room is finished before the next one begins.
 */
import { writeSync } from 'node:fs';

const NOTHING = Buffer.alloc(0);

export class LineWriter {
  readonly #fd: number;
  /** The end of a line whose beginning is written. */
  #rest: Buffer = NOTHING;
  #lost = 0;

  /** `fd`: one whose writes do not wait (descriptor.ts). */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Lines that could not be written so far. */
  get lost(): number {
    return this.#lost;
  }

  write(line: string): void {
    if (this.#rest.length > 0) this.#put(this.#rest);
    if (this.#rest.length > 0 || !this.#put(Buffer.from(line))) this.#lost++;
  }

  /** Writes the bytes for which there is room and keeps the rest. Returns false if there is room for none. */
  #put(bytes: Buffer): boolean {
    try {
      this.#rest = bytes.subarray(writeSync(this.#fd, bytes));
      return true;
    } catch {
      return false;
    }
  }
}
