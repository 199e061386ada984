/** Where lines and literals go: a client, or the server behind. Whoever writes waits for slow readers. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { EndedError } from '../imap/input.ts';

export class Output {
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', () => undefined); // whoever reads is told
  }

  /** Writes pieces as one. Throws EndedError if nobody reads any more. */
  async write(...pieces: readonly (Buffer | string)[]): Promise<void> {
    if (this.#stream.destroyed || this.#stream.writableEnded) throw new EndedError('nobody reads any more');
    this.#stream.cork();
    let isFull = false;
    for (const piece of pieces) isFull = !this.#stream.write(piece) || isFull;
    this.#stream.uncork();
    if (!isFull || !this.#stream.writableNeedDrain) return;
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

  /** Writes a line. */
  line(text: string): Promise<void> {
    return this.write(`${text}\r\n`);
  }
}
