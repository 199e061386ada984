/** Where lines and literals go: a client, or the server behind. Whoever writes waits for slow readers. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { EndedError } from '../imap/input.ts';

/** What is added up before it is written; larger pieces are not copied for that. */
const MOST_HELD_BYTES = 64 * 1024;

export class Output {
  readonly #stream: Writable;
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', () => undefined); // whoever reads is told
  }

  /** Writes pieces as one, at once. Throws EndedError if nobody reads any more. */
  async write(...pieces: readonly (Buffer | string)[]): Promise<void> {
    this.#check();
    this.#stream.cork();
    this.#writeHeld();
    for (const piece of pieces) this.#stream.write(piece);
    this.#stream.uncork();
    if (this.#stream.writableNeedDrain) await this.#drained();
  }

  /**
   * Writes pieces together with what else is added before the process turns to something else: lists are made
   * of thousands of answers. Strings have a byte in each character. Throws EndedError as `write` does, and
   * nothing may change the pieces afterwards.
   */
  async add(...pieces: readonly (Buffer | string)[]): Promise<void> {
    this.#check();
    if (this.#held.length === 0) process.nextTick(() => this.#writeHeld());
    let text = '';
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        text += piece;
        continue;
      }
      if (text !== '') this.#hold(Buffer.from(text, 'latin1'));
      text = '';
      this.#hold(piece);
    }
    if (text !== '') this.#hold(Buffer.from(text, 'latin1'));
    if (this.#heldBytes >= MOST_HELD_BYTES) this.#writeHeld();
    if (this.#stream.writableNeedDrain) await this.#drained();
  }

  /** Writes a line. */
  line(text: string): Promise<void> {
    return this.write(`${text}\r\n`);
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  #check(): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) throw new EndedError('nobody reads any more');
  }

  #writeHeld(): void {
    const held = this.#held;
    if (held.length === 0) return;
    this.#held = [];
    this.#heldBytes = 0;
    if (this.#stream.destroyed || this.#stream.writableEnded) return; // the next who writes is told
    this.#stream.cork();
    let small: Buffer[] = [];
    for (const piece of held) {
      if (piece.length < MOST_HELD_BYTES) {
        small.push(piece);
        continue;
      }
      if (small.length > 0) this.#stream.write(Buffer.concat(small));
      small = [];
      this.#stream.write(piece);
    }
    if (small.length > 0) this.#stream.write(Buffer.concat(small));
    this.#stream.uncork();
  }

  async #drained(): Promise<void> {
    const closed = new AbortController();
    const close = () => closed.abort();
    this.#stream.once('close', close);
    try {
      await once(this.#stream, 'drain', { signal: closed.signal });
    } catch {
      throw new EndedError('nobody reads any more');
    } finally {
      this.#stream.off('close', close);
    }
  }
}
