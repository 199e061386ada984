/**
 * Finds the armored message in a stream of text and decodes it (RFC 9580 §6). What is before and after it is
 * left out, its checksum is not looked at: the encryption has a better one. Holds less than a line back.
 */
import { decodeLines } from './armorloop.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----';
const END = '-----END PGP MESSAGE-----';
const LONGEST_LINE = 64 * 1024;
const LF = '\n';
const NOTHING: Buffer = Buffer.alloc(0);

export class Dearmor {
  #state: 'before' | 'headers' | 'body' | 'after' = 'before';
  /** A line whose end has not come. */
  #line = NOTHING;
  #base64 = '';
  #hasMore = false;

  /** Whether a message has begun. */
  get hasBegun(): boolean {
    return this.#state !== 'before';
  }

  /** Whether its end has come. */
  get hasEnded(): boolean {
    return this.#state === 'after';
  }

  /** Whether another message begins after its end. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** Returns what could be decoded of the message so far, without what earlier calls have returned. */
  update(bytes: Buffer): Buffer {
    const out: Buffer[] = [];
    let text = bytes;
    let isUsual = true; // tried once, and when the body begins: a text of empty lines would be tried at each
    for (;;) {
      if (isUsual && this.#state === 'body' && this.#base64 === '') {
        const { bytes: decoded, taken } = decodeLines(this.#line, text);
        isUsual = taken > 0;
        if (isUsual) text = this.#without(taken, text);
        out.push(decoded);
        continue;
      }
      const end = text.indexOf(LF);
      if (end === -1) break;
      const line = `${this.#line.toString('latin1')}${text.toString('latin1', 0, end)}`;
      text = this.#without(this.#line.length + end + 1, text);
      this.#take(line.trimEnd());
    }
    this.#line = this.#line.length === 0 ? Buffer.from(text) : Buffer.concat([this.#line, text]);
    if (this.#line.length > LONGEST_LINE) this.#takePart();
    out.push(this.#decoded(this.#base64.length & ~3));
    const pieces = out.filter(({ length }) => length > 0);
    const [first] = pieces;
    return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
  }

  /** Returns the text without so many bytes of the line that has begun and of itself. */
  #without(taken: number, text: Buffer): Buffer {
    const rest = text.subarray(taken - this.#line.length);
    this.#line = NOTHING;
    return rest;
  }

  /** Returns the rest. */
  final(): Buffer {
    this.#take(this.#line.toString('latin1').trimEnd());
    return this.#decoded(this.#base64.length);
  }

  /** Takes a line that does not end: what is no armor is not collected. */
  #takePart(): void {
    if (this.#state === 'body') this.#base64 += this.#line.toString('latin1');
    this.#line = NOTHING;
  }

  #take(line: string): void {
    if (this.#state === 'before') {
      if (line === BEGIN) this.#state = 'headers';
    } else if (this.#state === 'headers') {
      if (/^[A-Za-z][A-Za-z-]*:/.test(line)) return;
      this.#state = 'body';
      this.#takeBase64(line);
    } else if (this.#state === 'body') {
      this.#takeBase64(line);
    } else if (line === BEGIN) {
      this.#hasMore = true;
    }
  }

  #takeBase64(line: string): void {
    if (line === END) this.#state = 'after';
    else if (!line.startsWith('=')) this.#base64 += line;
  }

  #decoded(length: number): Buffer {
    const ready = this.#base64.slice(0, length);
    this.#base64 = this.#base64.slice(length);
    return Buffer.from(ready, 'base64');
  }
}
