/**
 * Gives input from a pipe the line ends of mail, since a sealed entity has CRLF (RFC 3156 §4). The first
 * line decides: if it ends in CRLF, the input is in wire form already and stays as it is, byte for byte;
 * otherwise every LF without a CR gets one. Never used on the DATA of LMTP, which always stays as it is.
 */

const CR = 0x0d;
const LF = 0x0a;

export class CanonicalLines {
  #mode: 'undecided' | 'keep' | 'convert' = 'undecided';
  #last = 0; // the last byte of the input so far

  update(bytes: Buffer): Buffer {
    if (this.#mode === 'undecided') this.#decide(bytes);
    const out = this.#mode === 'convert' ? this.#convert(bytes) : bytes;
    this.#last = bytes.at(-1) ?? this.#last;
    return out;
  }

  #decide(bytes: Buffer): void {
    const lf = bytes.indexOf(LF);
    if (lf === -1) return;
    const before = lf === 0 ? this.#last : bytes[lf - 1];
    this.#mode = before === CR ? 'keep' : 'convert';
  }

  #convert(bytes: Buffer): Buffer {
    const out = Buffer.allocUnsafe(2 * bytes.length);
    let length = 0;
    let last = this.#last;
    for (const byte of bytes) {
      if (byte === LF && last !== CR) out[length++] = CR;
      out[length++] = byte;
      last = byte;
    }
    return out.subarray(0, length);
  }
}
