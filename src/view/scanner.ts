/**
 * Words of structured header fields (RFC 5322 §3.2, RFC 2045 §5.1), read from left to right as Dovecot reads
 * them, which is what its clients have seen so far. Knows no field. Each character is read once, but where
 * an address turns out to be of another form (address.ts).
 */

/** What was found after a word and the white space and comments that follow: text, the end, or nonsense. */
export type Reached = 'more' | 'end' | 'broken';

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;
const DOT = 0x2e;

const ATOM = 1;
const TOKEN = 2;
/** By character: whether atoms and tokens of MIME may have it. 8-bit characters are letters. */
const CLASSES = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (code > 0x7f || /[A-Za-z0-9!#$%&'*+^_`{|}~-]/.test(character)) return ATOM | TOKEN;
  if ('/=?'.includes(character)) return ATOM;
  return character === '.' ? TOKEN : 0;
});

export class Scanner {
  at: number;
  /** What the words that were read have added. */
  word = '';
  /** The last comment that was passed over. */
  comment = '';
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    this.at = 0;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#text.length;
  }

  /** Tells whether this character is next. */
  sees(character: string): boolean {
    return this.#text[this.at] === character;
  }

  /** Tells whether the next character may be in an atom. */
  seesAtom(): boolean {
    return this.#is(ATOM);
  }

  blank(): Reached {
    for (; this.at < this.#text.length; this.at++) {
      const code = this.#code();
      if (code === OPEN) {
        if (!this.#skipComment()) return 'broken';
        this.at--;
      } else if (code !== SPACE && (code < 0x09 || code > 0x0d || code === 0x0b || code === 0x0c))
        return 'more';
    }
    return 'end';
  }

  /** Reads at least one character of an atom. */
  atom(): Reached {
    return this.#is(ATOM) ? this.#run(ATOM) : 'broken';
  }

  /** Reads an atom that may have dots anywhere, or nothing. */
  atomWithDots(): Reached {
    const from = this.at;
    while (this.#is(ATOM) || this.#code() === DOT) this.at++;
    this.word += this.#text.slice(from, this.at);
    return this.blank();
  }

  /** Reads a token of MIME, or nothing. */
  token(): Reached {
    return this.#run(TOKEN);
  }

  /** Reads what stands before a blank or one of these characters. */
  until(characters: string): Reached {
    const from = this.at;
    while (!this.isAtEnd && !characters.includes(this.#text[this.at] ?? '') && !this.#isBlank()) this.at++;
    this.word += this.#text.slice(from, this.at);
    return this.blank();
  }

  /** Reads what stands between quotation marks; a backslash makes the next character an ordinary one. */
  quoted(): Reached {
    let from = ++this.at;
    for (; this.at < this.#text.length; this.at++) {
      const code = this.#code();
      if (code === QUOTE) {
        this.word += this.#text.slice(from, this.at++);
        return this.blank();
      }
      if (code !== BACKSLASH || this.at + 1 >= this.#text.length) continue;
      this.word += this.#text.slice(from, this.at);
      from = ++this.at;
    }
    return 'broken';
  }

  /** dot-atom, with white space around the dots, or a domain literal. */
  domain(): Reached {
    if (this.sees('[')) return this.#domainLiteral();
    for (;;) {
      const reached = this.atom();
      if (reached !== 'more' || !this.sees('.')) return reached;
      this.word += '.';
      this.at++;
      if (this.blank() !== 'more') return 'broken';
    }
  }

  /** Words with a blank between each two. */
  phrase(): Reached {
    if (this.isAtEnd) return 'end';
    if (this.sees('.')) return 'broken';
    for (;;) {
      const reached = this.sees('"') ? this.quoted() : this.atomWithDots();
      if (reached !== 'more') return reached;
      if (!this.#is(ATOM) && !this.sees('"') && !this.sees('.')) return 'more';
      this.word += ' ';
    }
  }

  #run(kind: number): Reached {
    const from = this.at;
    while (this.#is(kind)) this.at++;
    this.word += this.#text.slice(from, this.at);
    return this.blank();
  }

  /** With its brackets, as it is. */
  #domainLiteral(): Reached {
    const literal = /\[(?:[^\\[\]]|\\[\s\S])*\]/y;
    literal.lastIndex = this.at;
    const [text] = literal.exec(this.#text) ?? [];
    this.at = text === undefined ? this.#text.length : this.at + text.length;
    this.word += text ?? '';
    return text === undefined ? 'broken' : this.blank();
  }

  #skipComment(): boolean {
    this.comment = '';
    let from = this.at + 1;
    for (let depth = 0; this.at < this.#text.length; this.at++) {
      const code = this.#code();
      if (code === OPEN) depth++;
      else if (code === CLOSE && --depth === 0) {
        this.comment += this.#text.slice(from, this.at++);
        return true;
      } else if (code === BACKSLASH && this.at + 1 < this.#text.length) {
        this.comment += this.#text.slice(from, this.at);
        from = ++this.at;
      }
    }
    return false;
  }

  #code(): number {
    return this.#text.charCodeAt(this.at);
  }

  #is(kind: number): boolean {
    return ((CLASSES[this.#code()] ?? 0) & kind) !== 0;
  }

  #isBlank(): boolean {
    return ' \t\r\n'.includes(this.#text[this.at] ?? '');
  }
}
