/**
 * Finds the header block at the start of a message and splits it into fields. Works on bytes and decodes
 * nothing. What it finds decides only what may be shown outside, never what is sealed: the message goes
 * inside untouched. The block ends before the first line that any reader might take for the end of the
 * header, so that no line of a body can pass for a field (D8a in README.md has the readers and their rules).
 */

/** One header field as it came, from its name to its last line end, with its folded lines. */
export interface RawField {
  /** Field name in lower case. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface HeaderBlock {
  /** All fields, as they came. */
  readonly bytes: Buffer;
  /**
   * The message begins with the block, and an empty line ended it. Otherwise the message may have no header
   * at all, and its text may only look like one.
   */
  readonly isCertain: boolean;
}

export type HeaderScan =
  | { readonly state: 'more' } // the block has not ended yet
  | { readonly state: 'complete'; readonly block: HeaderBlock }
  | { readonly state: 'tooBig' };

const NUL = 0x00;
const TAB = 0x09;
const LF = 0x0a;
const VT = 0x0b;
const FF = 0x0c;
const CR = 0x0d;
const FS = 0x1c;
const RS = 0x1e;
const SPACE = 0x20;
const COLON = 0x3a;

/**
 * The line that separates messages in an mbox (RFC 4155), as asctime writes its date. Readers skip it before
 * a header. They disagree about a line that only begins with `From `, which may also be a sentence.
 */
const MBOX_SEPARATOR = /^From [!-~]+ +[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\r?\n$/;
/** No separator is longer: an address has at most 254 bytes. */
const MAX_SEPARATOR_BYTES = 320;

/**
 * Collects the start of a message until its header block is complete or over `maxBytes`. Where the block ends
 * at a line of which somebody is in doubt, goes on to the first empty line, so that `seen` has what others
 * take for the header as well.
 */
export class HeaderScanner {
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0; // bytes of #buffer in use
  #start = 0; // of the first field
  #fieldStart = 0; // of the last field
  #lineStart = 0; // of the first line whose end has not been seen
  #searched = 0; // no line end is left before this place
  #end: number | undefined; // of the block, once it has one

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Everything taken so far: the start of the message, and perhaps more than its header. */
  get seen(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  update(bytes: Buffer): HeaderScan {
    this.#append(bytes);
    const { seen } = this;
    for (;;) {
      const lf = seen.indexOf(LF, this.#searched);
      if (lf === -1) {
        this.#searched = this.#length;
        if (this.#length > this.#maxBytes) return this.#full();
        if (this.#buffer === bytes) this.#buffer = Buffer.from(bytes); // the caller may reuse its bytes now
        return { state: 'more' };
      }
      if (lf >= this.#maxBytes) return this.#full();
      const isFirstEnd = this.#end === undefined;
      this.#end ??= this.#endBefore(seen, lf + 1);
      if (this.#end !== undefined && isEmptyLine(seen, this.#lineStart, lf))
        return { state: 'complete', block: this.#block(this.#end, isFirstEnd) };
      this.#lineStart = lf + 1;
      this.#searched = lf + 1;
    }
  }

  /** Ends the block because the message has ended. */
  end(): HeaderBlock {
    return this.#block(this.#end ?? this.#lineStart, false);
  }

  #full(): HeaderScan {
    if (this.#end === undefined) return { state: 'tooBig' };
    return { state: 'complete', block: this.#block(this.#end, false) };
  }

  #block(end: number, isEndedByEmptyLine: boolean): HeaderBlock {
    const isCertain = isEndedByEmptyLine && this.#start === 0;
    return { isCertain, bytes: this.seen.subarray(this.#start, end) };
  }

  /**
   * Looks at the line that ends before `next`. Returns where the block ends if this line ends it, or
   * undefined if the line belongs to it. A bare LF ends a line here too, since it does for some readers. Cuts
   * nothing out of the buffer: a header may have 350,000 lines.
   */
  #endBefore(seen: Buffer, next: number): number | undefined {
    const start = this.#lineStart;
    if (isFolded(seen, start)) {
      // A folded line needs a field before it. A blank one continues the field for RFC 5322, and ends the
      // header for some readers.
      if (start === this.#start || isBlank(seen, start, next)) return start;
      return hasDoubtfulByte(seen, start, next) ? this.#fieldStart : undefined;
    }
    if (start === 0 && isMboxSeparator(seen, next)) this.#start = next;
    else if (nameEnd(seen, start) === start || hasDoubtfulByte(seen, start, next)) return start;
    this.#fieldStart = start;
    return undefined;
  }

  #append(bytes: Buffer): void {
    const needed = this.#length + bytes.length;
    if (this.#length === 0) {
      this.#buffer = bytes; // most header blocks arrive in one piece and are not copied
    } else if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.seen);
      this.#buffer = grown;
      this.#buffer.set(bytes, this.#length);
    } else {
      this.#buffer.set(bytes, this.#length);
    }
    this.#length = needed;
  }
}

/** Yields the fields of a block in their order, one by one: 2 MiB may hold 350,000 of them. */
export function* fieldsOf({ bytes }: HeaderBlock): Generator<RawField> {
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    do end = bytes.indexOf(LF, end) + 1;
    while (isFolded(bytes, end));
    const name = bytes.toString('latin1', start, nameEnd(bytes, start)).toLowerCase();
    yield { name, bytes: bytes.subarray(start, end) };
  }
}

/**
 * Yields every field from the start of a message to its first empty line. A block may end before that, at a
 * line of which somebody has to be in doubt; what a filter of the site has added to the end of the header is
 * below that line. Lines that are no field are passed over. Good for choosing among things that are harmless
 * all: a body that begins without an empty line can pass for fields here.
 */
export function* headerFieldsOf(start: Buffer): Generator<RawField> {
  for (let at = 0, end = 0; at < start.length; at = end) {
    const lf = start.indexOf(LF, at);
    if (lf !== -1 && isEmptyLine(start, at, lf)) return;
    end = at;
    do {
      const next = start.indexOf(LF, end);
      end = next === -1 ? start.length : next + 1;
    } while (isFolded(start, end));
    const colon = nameEnd(start, at);
    if (colon > at) {
      const name = start.toString('latin1', at, colon).toLowerCase();
      yield { name, bytes: start.subarray(at, end) };
    }
  }
}

function isFolded(bytes: Buffer, lineStart: number): boolean {
  return bytes[lineStart] === SPACE || bytes[lineStart] === TAB;
}

function isMboxSeparator(seen: Buffer, end: number): boolean {
  return end <= MAX_SEPARATOR_BYTES && MBOX_SEPARATOR.test(seen.toString('latin1', 0, end));
}

/**
 * Returns where the name of a field ends, which is at its colon, or `start` if the line is no field. A name
 * is printable ASCII (RFC 5322 §2.2). A blank before the colon (§4.5) ends the header for some readers.
 */
function nameEnd(bytes: Buffer, start: number): number {
  let at = start;
  while (isNameByte(bytes[at] ?? 0)) at++;
  return bytes[at] === COLON ? at : start;
}

function isNameByte(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && byte !== COLON;
}

/** Returns whether some reader ends a line, or the text, within the line from `start` to `next`. */
function hasDoubtfulByte(bytes: Buffer, start: number, next: number): boolean {
  for (let at = start; at < next; at++) {
    const byte = bytes[at] ?? 0;
    if (byte < SPACE && (byte === CR ? bytes[at + 1] !== LF : mayEndLine(byte))) return true;
  }
  return false;
}

/** NUL ends the strings of C, and the others end lines for Python's splitlines() and for Unicode. */
function mayEndLine(byte: number): boolean {
  return byte === NUL || byte === VT || byte === FF || (byte >= FS && byte <= RS);
}

function isEmptyLine(bytes: Buffer, start: number, lf: number): boolean {
  return lf === start || (lf === start + 1 && bytes[start] === CR);
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((bytes[at] ?? 0) > SPACE) return false;
  return true;
}

/**
 * Copies a field of a block into `out`, as it may stand in a file of LF lines: CRLF becomes LF, and blank
 * lines are dropped. Writes from `start` on, and returns where the field ends there.
 */
export function copyWithLfLines({ bytes }: RawField, out: Buffer, start: number): number {
  let end = start;
  let lineStart = start;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === CR) continue; // a field of a block has no bare CR
    out[end++] = byte;
    if (byte !== LF) continue;
    if (isBlank(out, lineStart, end)) end = lineStart;
    lineStart = end;
  }
  return end;
}
