/**
 * Decodes DATA: removes the dots that the client has put in front of lines, and finds the end of the
 * message (RFC 5321 §4.5.2). Only CRLF ends a line and only CRLF.CRLF ends the message (§2.3.8, §4.1.1.4);
 * a bare CR or LF is a byte of the message like any other. smtp-server's own decoder (3.21.6) also removes
 * a dot after a bare LF, and spends a turn of the event loop on each dot; test/lmtp/dots.test.ts holds
 * ours to the rule.
 */

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const STUFFED = Buffer.from('\r\n.');

// The states: what the bytes so far were, seen from the next byte.
const WITHIN_LINE = 0;
const AFTER_CR = 1;
const LINE_START = 2;
const AFTER_DOT = 3; // a dot at line start, held back
const AFTER_DOT_CR = 4; // such a dot and a CR, both held back
const ENDED = 5;

export interface Decoded {
  /** Message bytes in their order. They may share memory with the input. */
  readonly pieces: Buffer[];
  /** Undefined until the message has ended; then the bytes of the input that follow its end. */
  readonly rest: Buffer | undefined;
}

export class DotDecoder {
  #state = LINE_START;

  /** Takes bytes as they arrive, however they are cut. Must not be called after the end. */
  update(chunk: Buffer): Decoded {
    const plain = this.#plainBytes(chunk);
    if (plain > 0) this.#state = stateAfter(chunk, plain, this.#state);
    const head = plain === 0 ? [] : [plain === chunk.length ? chunk : chunk.subarray(0, plain)];
    if (plain === chunk.length) return { pieces: head, rest: undefined };
    const { piece, used } = this.#slowly(chunk.subarray(plain));
    const pieces = piece.length === 0 ? head : [...head, piece];
    return { pieces, rest: this.#state === ENDED ? chunk.subarray(plain + used) : undefined };
  }

  /**
   * Counts the bytes at the start that are message bytes as they stand. Finds them by native search, so that
   * an ordinary message is never copied.
   */
  #plainBytes(chunk: Buffer): number {
    if (this.#state === AFTER_DOT || this.#state === AFTER_DOT_CR) return 0;
    if (this.#state === LINE_START && chunk[0] === DOT) return 0;
    if (this.#state === AFTER_CR && chunk[0] === LF && chunk[1] === DOT) return 1;
    const at = chunk.indexOf(STUFFED);
    return at === -1 ? chunk.length : at + 2;
  }

  /** Decodes byte by byte from the first dot on. A byte costs the same even if all lines have dots. */
  #slowly(chunk: Buffer): { piece: Buffer; used: number } {
    const out = Buffer.allocUnsafe(chunk.length + 1); // a CR that was held back may be added
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
        out[length++] = CR; // not the end after all: the CR belongs to the line
        state = AFTER_CR;
      }
      out[length++] = byte;
      state = next(state, byte);
    }
    this.#state = state;
    return { piece: out.subarray(0, length), used };
  }
}

/** Returns the state after a byte that is part of the message. */
function next(state: number, byte: number): number {
  if (byte === CR) return AFTER_CR;
  return byte === LF && state === AFTER_CR ? LINE_START : WITHIN_LINE;
}

/** Returns the state after the first `length` bytes of a chunk, all of them part of the message. */
function stateAfter(chunk: Buffer, length: number, before: number): number {
  const previous = length > 1 ? next(WITHIN_LINE, chunk[length - 2] as number) : before;
  return next(previous, chunk[length - 1] as number);
}
