/**
 * ASCII armor of an OpenPGP message (RFC 9580 §6): base64 in lines of 64 characters with LF line ends, and a
 * CRC24 where old readers may want one (never after SEIPD v2).
 */
import { CRC24_TABLE, encodeLines, LINE_CHARS, MAX_BYTES } from './armorloop.ts';
import { CRC24_INIT, crc24 } from './crc24.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----\n\n';
const END = '-----END PGP MESSAGE-----\n';

export class Armor {
  #crc: number | undefined;
  #held: Buffer = Buffer.alloc(0); // the start of the next line
  #started = false;
  /** How many line feeds are in the armor so far. */
  lines = 0;

  constructor(checksum: 'crc24' | 'none') {
    this.#crc = checksum === 'crc24' ? CRC24_INIT : undefined;
  }

  /** Returns the armor of the next bytes. Does not keep the pieces. */
  update(pieces: readonly Uint8Array[]): Buffer[] {
    const out = this.#start();
    let batch: Uint8Array[] = [this.#held];
    let bytes = this.#held.length;
    for (const piece of pieces)
      for (let from = 0; from < piece.length; ) {
        const part = piece.subarray(from, from + MAX_BYTES - bytes);
        batch.push(part);
        bytes += part.length;
        from += part.length;
        if (bytes < MAX_BYTES) continue;
        this.#encode(batch, out);
        batch = [];
        bytes = 0;
      }
    this.#encode(batch, out);
    return out;
  }

  #encode(batch: readonly Uint8Array[], out: Buffer[]): void {
    const { text, rest, crc } = encodeLines(batch, this.#crc);
    if (text.length > 0) out.push(text);
    this.#crc = crc;
    this.#held = rest;
    this.lines += text.length / LINE_CHARS;
  }

  /** Returns the rest of the armor. */
  final(): Buffer[] {
    const rest = this.#held.length > 0 ? `${this.#held.toString('base64')}\n` : '';
    const sum = this.#crc === undefined ? '' : `=${checksum(crc24(this.#crc, this.#held, CRC24_TABLE))}\n`;
    this.lines += 1 + (rest === '' ? 0 : 1) + (sum === '' ? 0 : 1);
    return [...this.#start(), Buffer.from(`${rest}${sum}${END}`, 'latin1')];
  }

  #start(): Buffer[] {
    if (this.#started) return [];
    this.#started = true;
    this.lines += 2;
    return [Buffer.from(BEGIN, 'latin1')];
  }
}

/** Returns the three bytes of a CRC24 in base64, the most significant first. */
function checksum(crc: number): string {
  return Buffer.from([crc >> 16, (crc >> 8) & 0xff, crc & 0xff]).toString('base64');
}
