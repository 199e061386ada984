/**
 * A stored copy -> what follows DATA: CRLF for each LF, and a dot before each dot that begins a line (RFC
 * 5321 §4.5.2). What is stored has LF where CRLF was received, so that this gives the bytes back.
 */

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

export class DataEncoder {
  #isLineStart = true;
  /** Bytes of the message so far, with CRLF and without the dots added: what SIZE counts (RFC 1870 §3). */
  size = 0;

  /** The result shares no memory with the piece. */
  update(piece: Buffer): Buffer {
    const encoded = Buffer.allocUnsafe(piece.length + extraOf(piece, this.#isLineStart));
    let length = 0;
    let dots = 0;
    for (let from = 0, end = 0; from < piece.length; from = end + 1) {
      if (this.#isLineStart && piece[from] === DOT) {
        encoded[length++] = DOT;
        dots++;
      }
      end = piece.indexOf(LF, from);
      this.#isLineStart = end !== -1;
      if (end === -1) end = piece.length;
      length += piece.copy(encoded, length, from, end);
      if (!this.#isLineStart) continue;
      encoded[length++] = CR;
      encoded[length++] = LF;
    }
    this.size += length - dots;
    return encoded;
  }

  /** The end of the message: it makes the copy the next hop's. */
  final(): Buffer {
    return Buffer.from(this.#isLineStart ? '.\r\n' : '\r\n.\r\n');
  }
}

/** How many bytes are added. */
function extraOf(piece: Buffer, isLineStart: boolean): number {
  let extra = isLineStart && piece[0] === DOT ? 1 : 0;
  for (let at = piece.indexOf(LF); at !== -1; at = piece.indexOf(LF, at + 1))
    extra += piece[at + 1] === DOT ? 2 : 1;
  return extra;
}
