/**
 * The file of a message that may be stored as it came: a second lane of its copy, beside the sealed one,
 * until the verdict is known. Whatever happens to it, the sealed one goes on, in a Maildir.
 */
import type { StagedCopy } from '../core/copystore.ts';

const LF = 0x0a;

export class KeptFile {
  readonly #staged: StagedCopy;
  #size = 0;
  #lines = 0;
  #aborted: Promise<void> | undefined;
  #failure: unknown;

  constructor(staged: StagedCopy) {
    this.#staged = staged;
  }

  get failed(): boolean {
    return this.#aborted !== undefined;
  }

  /** Takes bytes, and keeps them until they are written. */
  push(bytes: Buffer): Promise<void> | undefined {
    this.#size += bytes.length;
    for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) this.#lines++;
    return this.#staged.write([bytes]);
  }

  /** S1 or S2 -> whole. Resolves to whether it is. Never throws. */
  async finish(): Promise<boolean> {
    if (this.failed) return false;
    try {
      await this.#staged.finish();
      if (this.#staged.bytes !== this.#size) throw new Error('bytes of the copy are missing');
    } catch (error) {
      this.fail(error); // the sealed file has the same disk, and says what is wrong with it
      await this.#aborted;
    }
    return !this.failed;
  }

  fail(error: unknown): void {
    if (this.#aborted === undefined) this.#failure = error;
    this.#aborted ??= this.#staged.abort();
  }

  /** What went wrong; undefined if nothing did, or it was given up. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Resolves when nothing of it is left. Never throws. */
  async abort(): Promise<void> {
    this.#aborted ??= this.#staged.abort();
    await this.#aborted;
  }

  get staged(): StagedCopy {
    return this.#staged;
  }

  /** For the name in new/: as stored, and with CRLF line ends. */
  get sizes(): [size: number, wireSize: number] {
    return [this.#size, this.#size + this.#lines];
  }
}
