/**
 * Finds the header block at the start of a message and splits it into raw fields, bytes
 * only. Decides what may be shown outside, never what is sealed: the message goes inside
 * untouched. In doubt it ends early, so that no line of a body can pass for a field.
 */

/** One header field as it came, from its name to its last CRLF, folded lines included. */
export interface RawField {
  /** Field name in lower case. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface HeaderBlock {
  /** All fields, as they came. */
  readonly bytes: Buffer;
  /** An empty line ended the block: what stands before it is a header for every reader. */
  readonly isCertain: boolean;
}

export type HeaderScan =
  | { readonly state: 'more' } // the block goes on beyond what was seen
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
  #lineStart = 0;
  #searched = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Everything taken so far, header and whatever came with it: the start of the message. */
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
        if (this.#buffer === bytes) this.#buffer = Buffer.from(bytes); // from now on the bytes are their owner's again
        return { state: 'more' };
      }
      if (lf >= this.#maxBytes) return { state: 'tooBig' };
      if (!this.#takeLine(seen, lf + 1))
        return { state: 'complete', block: this.#block(isEmptyLine(seen, this.#lineStart, lf)) };
      this.#lineStart = lf + 1;
      this.#searched = lf + 1;
    }
  }

  /** The message ended, its header with it. */
  end(): HeaderBlock {
    return this.#block(false);
  }

  #block(isCertain: boolean): HeaderBlock {
    return { isCertain, bytes: this.seen.subarray(this.#start, this.#lineStart) };
  }

  /**
   * False when the line, which ends before `end`, is not part of the header block. A bare LF ends a line here too: the
   * careful reading. Looks at bytes where they are, since a header may have as many lines as a body.
   */
  #takeLine(seen: Buffer, end: number): boolean {
    const start = this.#lineStart;
    // folded, if there is a field; a blank one is a fold to RFC 5322 and the end of the header to some readers
    if (isFolded(seen, start)) return start > this.#start && !isBlank(seen, start, end);
    if (nameEnd(seen, start, end) > start) return true;
    // an mbox separator in front of the header is no field (RFC 4155); `From : x` is one (RFC 5322 §4.5)
    if (start > 0 || !/^>?From /.test(seen.toString('latin1', 0, Math.min(end, 6)))) return false;
    this.#start = end;
    return true;
  }

  #append(bytes: Buffer): void {
    const needed = this.#length + bytes.length;
    if (this.#length === 0) {
      this.#buffer = bytes; // most header blocks arrive in one piece: no copy
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

/** The fields of a block in their order, each cut out when it is asked for: 2 MiB may hold 350,000. */
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
 * Where the name in front of the first colon ends, RFC 5322 §2.2: printable ASCII; blanks before the colon are tolerated
 * (§4.5). `start` if the line has none.
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
 * A field as it may stand in a file of LF lines: CRLF becomes LF, blank lines of it go. Undefined when it holds a bare CR or NUL, which some
 * reader would take for the end of a line: such a field stays inside only.
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
