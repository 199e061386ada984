/**
 * ASCII armor of an OpenPGP message (RFC 9580 §6) with LF line ends: base64 in lines of
 * 64 characters, and a CRC24 where old readers may want one (never behind SEIPD v2).
 */
import { Crc24 } from './crc24.ts';

const LINE_BYTES = 48; // of binary: 64 characters
const LINE_CHARS = 64;
const BEGIN = '-----BEGIN PGP MESSAGE-----\n\n';
const END = '-----END PGP MESSAGE-----\n';
const LF = 0x0a;

export class Armor {
  readonly #crc: Crc24 | undefined;
  #held: Buffer = Buffer.alloc(0);
  #started = false;
  /** Line feeds given out so far. */
  lines = 0;

  constructor(checksum: 'crc24' | 'none') {
    this.#crc = checksum === 'crc24' ? new Crc24() : undefined;
  }

  /** Takes binary, gives armor. Does not keep `bytes`. */
  update(bytes: Uint8Array): Buffer[] {
    this.#crc?.update(bytes);
    const out = this.#start();
    let from = 0;
    if (this.#held.length > 0) {
      from = Math.min(LINE_BYTES - this.#held.length, bytes.length);
      this.#held = Buffer.concat([this.#held, bytes.subarray(0, from)]);
      if (this.#held.length < LINE_BYTES) return out;
      out.push(this.#wholeLines(this.#held));
    }
    const whole = bytes.length - ((bytes.length - from) % LINE_BYTES);
    if (whole > from) out.push(this.#wholeLines(bytes.subarray(from, whole)));
    this.#held = Buffer.from(bytes.subarray(whole)); // a copy: the piece is its owner's
    return out;
  }

  final(): Buffer[] {
    const rest = this.#held.length > 0 ? `${this.#held.toString('base64')}\n` : '';
    const sum = this.#crc === undefined ? '' : `=${this.#crc.digest().toString('base64')}\n`;
    this.lines += 1 + (rest === '' ? 0 : 1) + (sum === '' ? 0 : 1);
    return [...this.#start(), Buffer.from(`${rest}${sum}${END}`, 'latin1')];
  }

  #start(): Buffer[] {
    if (this.#started) return [];
    this.#started = true;
    this.lines += 2;
    return [Buffer.from(BEGIN, 'latin1')];
  }

  /** `bytes` is a whole number of lines. One native base64 call, then each line moved to its place. */
  #wholeLines(bytes: Uint8Array): Buffer {
    const lines = bytes.length / LINE_BYTES;
    const out = Buffer.allocUnsafe(lines * (LINE_CHARS + 1));
    const packed = out.length - lines * LINE_CHARS;
    out.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'), packed, 'latin1');
    // moving forward never overtakes what is still to be moved: the gap shrinks to 0 at the last line
    for (let line = 0, to = 0, from = packed; line < lines; line++, from += LINE_CHARS) {
      out.copyWithin(to, from, from + LINE_CHARS);
      to += LINE_CHARS + 1;
      out[to - 1] = LF;
    }
    this.lines += lines;
    return out;
  }
}
