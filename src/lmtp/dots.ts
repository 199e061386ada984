/**
 * The DATA decoder: takes away the dots of dot-stuffed lines and finds the end (RFC 5321
 * §4.5.2). Only CRLF ends a line and only CRLF.CRLF ends the message (§2.3.8, §4.1.1.4);
 * bare CR and LF are message bytes like any other. smtp-server's own decoder also unstuffs
 * behind a bare LF and takes a tick of the event loop per dot (3.21.6;
 * test/lmtp/dots.test.ts).
 */

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const STUFFED = Buffer.from('\r\n.');

// where the last byte seen leaves us
const WITHIN_LINE = 0;
const AFTER_CR = 1;
const LINE_START = 2;
const AFTER_DOT = 3; // a dot at line start, held back
const AFTER_DOT_CR = 4; // and a CR behind it, held back
const ENDED = 5;

export interface Decoded {
  /** Message bytes, in order; may share memory with the input. */
  readonly pieces: Buffer[];
  /** Once the message has ended: the bytes behind its end. */
  readonly rest: Buffer | undefined;
}

export class DotDecoder {
  #state = LINE_START;

  /** Takes bytes as they arrive, however they are cut. Not to be called after the end. */
  update(chunk: Buffer): Decoded {
    const plain = this.#plainBytes(chunk);
    if (plain > 0) this.#state = stateAfter(chunk, plain, this.#state);
    const head = plain === 0 ? [] : [plain === chunk.length ? chunk : chunk.subarray(0, plain)];
    if (plain === chunk.length) return { pieces: head, rest: undefined };
    const { piece, used } = this.#slowly(chunk.subarray(plain));
    const pieces = piece.length === 0 ? head : [...head, piece];
    return { pieces, rest: this.#state === ENDED ? chunk.subarray(plain + used) : undefined };
  }

  /** How many bytes from the start are certain to be message as they stand: native search, no copy. */
  #plainBytes(chunk: Buffer): number {
    if (this.#state === AFTER_DOT || this.#state === AFTER_DOT_CR) return 0;
    if (this.#state === LINE_START && chunk[0] === DOT) return 0;
    if (this.#state === AFTER_CR && chunk[0] === LF && chunk[1] === DOT) return 1;
    const at = chunk.indexOf(STUFFED);
    return at === -1 ? chunk.length : at + 2;
  }

  /** Byte by byte from a dot on: cheap where dots are few, and no dearer per byte where all is dots. */
  #slowly(chunk: Buffer): { piece: Buffer; used: number } {
    const out = Buffer.allocUnsafe(chunk.length + 1); // a held CR may come out too
    let length = 0;
    let state = this.#state;
    let used = 0;
    while (used < chunk.length && state !== ENDED) {
      const byte = chunk[used++] as number;
      if (state === LINE_START && byte === DOT) {
        state = AFTER_DOT;
        continue;
      }
      if (state === AFTER_DOT && byte === CR) {
        state = AFTER_DOT_CR;
        continue;
      }
      if (state === AFTER_DOT_CR) {
        if (byte === LF) {
          state = ENDED;
          continue;
        }
        out[length++] = CR; // no end after all: the CR was the line's
        state = AFTER_CR;
      }
      out[length++] = byte;
      state = next(state, byte);
    }
    this.#state = state;
    return { piece: out.subarray(0, length), used };
  }
}

function next(state: number, byte: number): number {
  if (byte === CR) return AFTER_CR;
  return byte === LF && state === AFTER_CR ? LINE_START : WITHIN_LINE;
}

function stateAfter(chunk: Buffer, length: number, before: number): number {
  const previous = length > 1 ? next(WITHIN_LINE, chunk[length - 2] as number) : before;
  return next(previous, chunk[length - 1] as number);
}
