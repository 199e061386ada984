/**
 * Finds the armored message in a stream of text and decodes it (RFC 9580 §6). What is before and after it is
 * left out, its checksum is not looked at: the encryption has a better one. Holds less than a line back.
 */

const BEGIN = '-----BEGIN PGP MESSAGE-----';
const END = '-----END PGP MESSAGE-----';
const LONGEST_LINE = 64 * 1024;

export class Dearmor {
  #state: 'before' | 'headers' | 'body' | 'after' = 'before';
  #text = '';
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
    const lines = (this.#text + bytes.toString('latin1')).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#take(line.trimEnd());
    if (this.#text.length > LONGEST_LINE) this.#takePart();
    return this.#decoded(this.#base64.length & ~3);
  }

  /** Returns the rest. */
  final(): Buffer {
    this.#take(this.#text.trimEnd());
    return this.#decoded(this.#base64.length);
  }

  /** Takes a line that does not end: what is no armor is not collected. */
  #takePart(): void {
    if (this.#state === 'body') this.#base64 += this.#text;
    this.#text = '';
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
