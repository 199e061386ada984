/**
 * The values that commands and responses are made of (RFC 3501 §4, §9), read from lines and the literals
 * between them. Atoms keep their spelling, and strings are bytes.
 */

/** A line, the literal after it, the line after that, and so on: always an odd number. */
export type Segments = readonly Buffer[];

export interface Section {
  readonly kind: 'section';
  /** What stands before the bracket, such as `BODY.PEEK`. */
  readonly name: string;
  readonly inside: readonly Value[];
  /** What stands between `<` and `>`; undefined if there is none. */
  readonly partial: string | undefined;
}

export type Value =
  /** Numbers, flags, NIL and patterns too. */
  | { readonly kind: 'atom'; readonly text: string }
  | { readonly kind: 'string'; readonly bytes: Buffer }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | Section;

/** What was sent has another form. Its message is a sentence without any of it. */
export class SyntaxFault extends Error {}

/** How deep lists may stand in lists. */
const MOST_DEPTH = 250;
/** Sections name what FETCH asks for and answers: alone, or in its list. */
const MOST_SECTION_DEPTH = 1;
const SECTION_NAME = /^(?:BODY|BODY\.PEEK|BINARY|BINARY\.PEEK|BINARY\.SIZE)$/i;

const SP = 0x20;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const LESS = 0x3c;
const GREATER = 0x3e;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

export class ValueReader {
  readonly #segments: Segments;
  readonly #hasSections: boolean;
  #segment = 0;
  #at: number;

  /** Begins at a byte of the first line. Only FETCH has sections: elsewhere keywords are called `BODY[x`. */
  constructor(segments: Segments, at = 0, has: 'sections' | 'no sections' = 'no sections') {
    this.#segments = segments;
    this.#at = at;
    this.#hasSections = has === 'sections';
  }

  get isAtEnd(): boolean {
    return this.#segment === this.#segments.length - 1 && this.#at >= this.#text.length;
  }

  /** Where the next byte is, if it is in the first line; undefined after a literal. */
  get at(): number | undefined {
    return this.#segment === 0 ? this.#at : undefined;
  }

  /** Returns all values up to the end. Several blanks in place of one are taken too. */
  rest(): Value[] {
    const values: Value[] = [];
    for (;;) {
      this.#skipBlanks();
      if (this.isAtEnd) return values;
      values.push(this.#value(0));
    }
  }

  /** Returns the next value. Throws SyntaxFault if there is none. */
  next(): Value {
    this.#skipBlanks();
    return this.#value(0);
  }

  /** Returns the next word. Throws SyntaxFault if something else is there. */
  word(): string {
    const value = this.next();
    if (value.kind !== 'atom') throw new SyntaxFault('a word is missing');
    return value.text;
  }

  /**
   * Returns the next string (an astring of RFC 3501 §9) as a copy that whoever asks for it can overwrite; no
   * text is made of it. Throws SyntaxFault.
   */
  astring(): Buffer {
    this.#skipBlanks();
    const byte = this.#byte;
    if (byte === undefined || byte === QUOTE) {
      const value = byte === undefined ? this.#literal() : this.#quoted();
      const given = bytesOf(value);
      const copy = Buffer.from(given);
      given.fill(0);
      return copy;
    }
    const start = this.#at;
    while (isOfAtom(this.#byte)) this.#at++;
    if (this.#at === start) throw new SyntaxFault('a string is missing');
    return Buffer.from(this.#text.subarray(start, this.#at));
  }

  get #text(): Buffer {
    return this.#segments[this.#segment] ?? Buffer.alloc(0);
  }

  get #byte(): number | undefined {
    return this.#text[this.#at];
  }

  #skipBlanks(): void {
    while (this.#byte === SP) this.#at++;
  }

  #value(depth: number): Value {
    if (depth > MOST_DEPTH) throw new SyntaxFault('lists stand too deep in lists');
    const byte = this.#byte;
    if (byte === undefined) return this.#literal();
    if (byte === QUOTE) return this.#quoted();
    if (byte === OPEN) {
      this.#at++;
      return { kind: 'list', items: this.#items(CLOSE, depth) };
    }
    return this.#atom(depth);
  }

  #literal(): Value {
    const bytes = this.#segments[this.#segment + 1];
    if (bytes === undefined) throw new SyntaxFault('something is missing at the end');
    this.#segment += 2;
    this.#at = 0;
    return { kind: 'string', bytes };
  }

  #quoted(): Value {
    const text = this.#text;
    const start = this.#at + 1;
    // bytes all the way: it may be a password, which whoever reads it overwrites
    const bytes = Buffer.from(text.subarray(start, this.#quotedEnd(start)));
    let length = 0;
    for (let at = start; at < text.length; at++) {
      if (text[at] === QUOTE) {
        this.#at = at + 1;
        bytes.fill(0, length); // what was escaped has become shorter
        return { kind: 'string', bytes: bytes.subarray(0, length) };
      }
      if (text[at] === BACKSLASH) at++;
      bytes[length++] = text[at] ?? 0;
    }
    throw new SyntaxFault('a quoted string has no end');
  }

  /** Returns where a quoted string ends, or the text does. */
  #quotedEnd(start: number): number {
    const text = this.#text;
    let at = start;
    while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
    return Math.min(at, text.length);
  }

  #items(end: number, depth: number): Value[] {
    const items: Value[] = [];
    for (;;) {
      this.#skipBlanks();
      if (this.#byte === end) {
        this.#at++;
        return items;
      }
      items.push(this.#value(depth + 1));
    }
  }

  #atom(depth: number): Value {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    for (; at < text.length; at++) {
      const byte = text[at] ?? 0;
      if (!isOfAtom(byte)) break;
      if (byte === CLOSE_BRACKET && depth > 0 && this.#isInSection) break;
      if (byte === OPEN_BRACKET && this.#mayBegin(depth)) {
        const name = text.toString('latin1', start, at);
        if (SECTION_NAME.test(name)) return this.#section(name, at, depth);
      }
    }
    if (at === start) throw new SyntaxFault('a character is not allowed where it is');
    this.#at = at;
    return { kind: 'atom', text: text.toString('latin1', start, at) };
  }

  #isInSection = false;

  #mayBegin(depth: number): boolean {
    return this.#hasSections && (depth <= MOST_SECTION_DEPTH || this.#isInSection);
  }

  #section(name: string, bracket: number, depth: number): Value {
    if (this.#isInSection) throw new SyntaxFault('a section stands in a section');
    this.#at = bracket + 1;
    this.#isInSection = true;
    const inside = this.#items(CLOSE_BRACKET, depth);
    this.#isInSection = false;
    if (this.#byte !== LESS) return { kind: 'section', name, inside, partial: undefined };
    const end = this.#text.indexOf(GREATER, this.#at);
    if (end === -1) throw new SyntaxFault('a partial has no end');
    const partial = this.#text.toString('latin1', this.#at + 1, end);
    this.#at = end + 1;
    return { kind: 'section', name, inside, partial };
  }
}

function isOfAtom(byte: number | undefined): boolean {
  if (byte === undefined || byte <= SP || byte === 0x7f) return false;
  return byte !== QUOTE && byte !== OPEN && byte !== CLOSE;
}

/** Returns what an astring (RFC 3501 §9) says as bytes. Throws SyntaxFault for a list. */
export function bytesOf(value: Value | undefined): Buffer {
  if (value?.kind === 'string') return value.bytes;
  if (value?.kind === 'atom') return Buffer.from(value.text, 'latin1');
  throw new SyntaxFault('a string is missing');
}

/** Returns a word in upper case, or undefined for all other values. */
export function wordOf(value: Value | undefined): string | undefined {
  return value?.kind === 'atom' ? value.text.toUpperCase() : undefined;
}

export function isNil(value: Value | undefined): boolean {
  return wordOf(value) === 'NIL';
}
