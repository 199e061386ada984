/**
 * A stream of bytes as IMAP reads it: lines, and literals of a known length between them (RFC 3501 §2.2).
 * Whoever reads decides how long a line may be, so that nobody makes this process hold what they like.
 */
import type { Readable } from 'node:stream';

/** The other side has ended the connection in the middle, or between two lines. */
export class EndedError extends Error {}

/** The other side sends more than it may. */
export class TooLongError extends Error {}

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);

export class Input {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = EMPTY;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Returns the next line, without its end. Throws EndedError, or TooLongError beyond `most` bytes. */
  async line(most: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const end = this.#held.indexOf(LF);
      const piece = end === -1 ? this.#held : this.#held.subarray(0, end);
      bytes += piece.length;
      if (bytes > most) throw new TooLongError(`a line has more than ${most} bytes`);
      if (end === -1 && piece.length > 0) pieces.push(moved(piece)); // the next one may come there
      if (end !== -1) {
        if (piece.length > 0 || pieces.length === 0) pieces.push(piece);
        this.#held = this.#held.subarray(end + 1);
        const line = pieces.length === 1 ? (pieces[0] ?? piece) : joined(pieces);
        return line.at(-1) === CR ? line.subarray(0, -1) : line;
      }
      this.#held = EMPTY;
      if (!(await this.#fill())) throw new EndedError('the connection has ended');
    }
  }

  /** Yields the next `count` bytes as they come. Throws EndedError. */
  async *pieces(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0) {
      if (this.#held.length === 0 && !(await this.#fill())) throw new EndedError('the connection has ended');
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      left -= piece.length;
      if (piece.length > 0) yield piece;
    }
  }

  /** Returns the next `count` bytes, in memory of their own. Throws EndedError. */
  async bytes(count: number): Promise<Buffer> {
    const all = Buffer.allocUnsafeSlow(count);
    let at = 0;
    for await (const piece of this.pieces(count)) {
      at += piece.copy(all, at);
      piece.fill(0); // there may be a password in it, which is overwritten in the copy
    }
    return all;
  }

  /** Yields all that comes, as it comes, to the end. */
  async *rest(): AsyncGenerator<Buffer> {
    while (this.#held.length > 0 || (await this.#fill())) {
      const piece = this.#held;
      this.#held = EMPTY;
      if (piece.length > 0) yield piece;
    }
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#held = value;
    return true;
  }
}

/** Returns what comes from a stream, to which one may write when its end has come. */
export function readFrom(stream: Readable): AsyncIterable<Buffer> {
  return stream.iterator({ destroyOnReturn: false });
}

/** Yields what pieces are, and does not end them when whoever reads it stops: the rest has to be read too. */
export async function* unclosed(pieces: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
}

function moved(piece: Buffer): Buffer {
  const copy = Buffer.from(piece);
  piece.fill(0); // as above
  return copy;
}

function joined(pieces: readonly Buffer[]): Buffer {
  const line = Buffer.concat(pieces);
  for (const each of pieces) each.fill(0); // as above
  return line;
}

/** The end of a line that announces a literal. */
export interface Announced {
  readonly bytes: number;
  /** The client waits to be asked for it (RFC 3501 §4.3); with `{n+}` it does not (RFC 7888). */
  readonly isAwaited: boolean;
  /** The line before it. */
  readonly text: Buffer;
}

const LITERAL = /\{(\d{1,10})(\+?)\}$/;

/** Returns undefined if a line announces none. */
export function announcedBy(line: Buffer): Announced | undefined {
  if (line.at(-1) !== 0x7d) return undefined;
  const [all, digits, plus] = LITERAL.exec(line.toString('latin1', Math.max(0, line.length - 16))) ?? [];
  if (all === undefined) return undefined;
  return { bytes: Number(digits), isAwaited: plus === '', text: line.subarray(0, -all.length) };
}
