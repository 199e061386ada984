/**
 * Finds the header block at the start of a message and splits it into fields. Works on bytes and decodes
 * nothing. What it finds decides only what may be shown outside, never what is sealed: the message goes
 * inside untouched. In doubt the block ends early, so that no line of a body can pass for a field (D8).
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
  /** An empty line ended the block, so that what stands before it is a header for every reader. */
  readonly isCertain: boolean;
}

export type HeaderScan =
  | { readonly state: 'more' } // the block has not ended yet
  | { readonly state: 'complete'; readonly block: HeaderBlock }
  | { readonly state: 'tooBig' };

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

/** Collects the start of a message until its header block is complete or over `maxBytes`. */
export class HeaderScanner {
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0; // bytes of #buffer in use
  #start = 0; // of the first field
  #lineStart = 0; // of the first line whose end has not been seen
  #searched = 0; // no line end is left before this place

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
        if (this.#length > this.#maxBytes) return { state: 'tooBig' };
        if (this.#buffer === bytes) this.#buffer = Buffer.from(bytes); // the caller may reuse its bytes now
        return { state: 'more' };
      }
      if (lf >= this.#maxBytes) return { state: 'tooBig' };
      if (!this.#takeLine(seen, lf + 1))
        return { state: 'complete', block: this.#block(isEmptyLine(seen, this.#lineStart, lf)) };
      this.#lineStart = lf + 1;
      this.#searched = lf + 1;
    }
  }

  /** Ends the block because the message has ended. */
  end(): HeaderBlock {
    return this.#block(false);
  }

  #block(isCertain: boolean): HeaderBlock {
    return { isCertain, bytes: this.seen.subarray(this.#start, this.#lineStart) };
  }

  /**
   * Returns whether the line that ends before `end` is part of the header block. A bare LF ends a line here
   * too, since it does for some readers. Cuts nothing out of the buffer: a header may have 350,000 lines.
   */
  #takeLine(seen: Buffer, end: number): boolean {
    const start = this.#lineStart;
    // A folded line needs a field before it. A blank one continues the field for RFC 5322, and ends the
    // header for some readers.
    if (isFolded(seen, start)) return start > this.#start && !isBlank(seen, start, end);
    if (nameEnd(seen, start, end) > start) return true;
    // An mbox separator before the header is no field (RFC 4155); `From : x` is one (RFC 5322 §4.5).
    if (start > 0 || !/^>?From /.test(seen.toString('latin1', 0, Math.min(end, 6)))) return false;
    this.#start = end;
    return true;
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
    const name = bytes.toString('latin1', start, nameEnd(bytes, start, end)).toLowerCase();
    yield { name, bytes: bytes.subarray(start, end) };
  }
}

function isFolded(bytes: Buffer, lineStart: number): boolean {
  return bytes[lineStart] === 0x20 || bytes[lineStart] === 0x09;
}

/**
 * Returns where the name before the first colon ends, or `start` if the line has no name. A name is printable
 * ASCII (RFC 5322 §2.2), and blanks may stand between it and the colon (§4.5).
 */
function nameEnd(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isNameByte(bytes[at] ?? 0)) at++;
  const name = at;
  while (bytes[at] === 0x20 || bytes[at] === 0x09) at++;
  return at < end && bytes[at] === COLON ? name : start;
}

function isNameByte(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && byte !== COLON;
}

function isEmptyLine(bytes: Buffer, start: number, lf: number): boolean {
  return lf === start || (lf === start + 1 && bytes[start] === CR);
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((bytes[at] ?? 0) > 0x20) return false;
  return true;
}

/**
 * Returns a field as it may stand in a file of LF lines: CRLF becomes LF, and its blank lines are dropped.
 * Undefined if the field holds a bare CR or a NUL, since some readers take that for the end of a line.
 */
export function withLfLines({ bytes }: RawField): Buffer | undefined {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let lineStart = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0 || (byte === CR && bytes[at + 1] !== LF)) return undefined;
    if (byte === CR) continue;
    out[length++] = byte;
    if (byte !== LF) continue;
    if (isBlank(out, lineStart, length)) length = lineStart;
    lineStart = length;
  }
  return out.subarray(0, length);
}
