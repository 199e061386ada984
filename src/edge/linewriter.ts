/**
 * Writes lines to a descriptor and never waits for its reader: a line for which there is no room is counted
 * and forgotten. Each line is written before `write` returns, so that a crash loses none. A line of which
 * only the beginning found room is finished before the next one begins.
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
    if (this.#rest.length > 0) this.#rest = this.#rest.subarray(this.#put(this.#rest));
    const written = this.#rest.length > 0 ? 0 : this.#put(line);
    if (written === 0) this.#lost++;
    else if (written < Buffer.byteLength(line)) this.#rest = Buffer.from(line).subarray(written);
  }

  /** Writes as many bytes as there is room for. Returns their number. */
  #put(bytes: Buffer | string): number {
    try {
      return typeof bytes === 'string' ? writeSync(this.#fd, bytes) : writeSync(this.#fd, bytes);
    } catch {
      return 0; // EAGAIN: nobody reads; or the disk is full, or the reader has gone
    }
  }
}
