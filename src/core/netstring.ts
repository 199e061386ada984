/** Netstrings (https://cr.yp.to/proto/netstrings.txt): `5:hello,`. What Postfix's socketmap is made of. */

/** Digits of a length that may be worth waiting for. */
const MOST_DIGITS = 9;

export function netstring(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(',')]);
}

/** Cuts a stream of bytes into netstrings. */
export class NetstringReader {
  readonly #mostBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  /** Netstrings of more than `mostBytes` are an error. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Returns those that are whole by now. Throws on anything that is none: then the stream is of no use. */
  update(bytes: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const found: string[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) found.push(next);
    return found;
  }

  #next(): string | undefined {
    const colon = this.#rest.indexOf(':');
    const head = this.#rest.toString('latin1', 0, colon < 0 ? undefined : colon);
    if (!/^\d*$/.test(head.slice(0, MOST_DIGITS + 1)) || head.length > MOST_DIGITS || colon === 0)
      throw new Error('not a netstring');
    if (colon < 0) return undefined;
    const length = Number(head);
    if (length > this.#mostBytes) throw new Error(`a netstring of ${length} bytes`);
    const end = colon + 1 + length;
    if (this.#rest.length <= end) return undefined;
    if (this.#rest[end] !== 0x2c) throw new Error('a netstring without its comma');
    const text = this.#rest.toString('utf8', colon + 1, end);
    this.#rest = this.#rest.subarray(end + 1);
    return text;
  }
}
