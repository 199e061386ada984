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
  readonly fields: readonly RawField[];
  /** An empty line ended the block: what stands before it is a header for every reader. */
  readonly isCertain: boolean;
}

export type HeaderScan =
  | { readonly state: 'more' } // the block goes on beyond what was seen
  | { readonly state: 'complete'; readonly block: HeaderBlock }
  | { readonly state: 'tooBig' };

const LF = 0x0a;
const CR = 0x0d;

/** Collects the start of a message until its header block is complete or over `maxBytes`. */
export class HeaderScanner {
  readonly #maxBytes: number;
  readonly #fields: { name: string; start: number; end: number }[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0; // bytes of #buffer in use
  #lineStart = 0;
  #searched = 0;
  #fieldStart = 0;
  #fieldName: string | undefined;
  #first = true;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Everything taken so far, header and whatever came with it: the start of the message. */
  get seen(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  update(bytes: Buffer): HeaderScan {
    this.#append(bytes);
    for (;;) {
      const lf = this.seen.indexOf(LF, this.#searched);
      if (lf === -1) {
        this.#searched = this.#length;
        if (this.#length > this.#maxBytes) return { state: 'tooBig' };
        if (this.#buffer === bytes) this.#buffer = Buffer.from(bytes); // from now on the bytes are their owner's again
        return { state: 'more' };
      }
      if (lf >= this.#maxBytes) return { state: 'tooBig' };
      const line = this.seen.subarray(this.#lineStart, lf + 1);
      if (!this.#takeLine(line))
        return { state: 'complete', block: this.#block(/^\r?\n$/.test(line.toString('latin1'))) };
      this.#lineStart = lf + 1;
      this.#searched = lf + 1;
    }
  }

  /** The message ended, its header with it. */
  end(): HeaderBlock {
    return this.#block(false);
  }

  #block(isCertain: boolean): HeaderBlock {
    this.#closeField();
    const bytesOf = (start: number, end: number) => this.seen.subarray(start, end);
    return {
      isCertain,
      fields: this.#fields.map(({ name, start, end }) => ({ name, bytes: bytesOf(start, end) })),
    };
  }

  /** False when the line is not part of the header block. A bare LF ends a line here too: the careful reading. */
  #takeLine(line: Buffer): boolean {
    const first = this.#first;
    this.#first = false;
    // folded, if there is a field; a blank one is a fold to RFC 5322 and the end of the header to some readers
    if (line[0] === 0x20 || line[0] === 0x09) return this.#fieldName !== undefined && !isBlank(line);
    this.#closeField();
    this.#fieldStart = this.#lineStart;
    this.#fieldName = fieldName(line);
    if (this.#fieldName !== undefined) return true;
    // an mbox separator in front of the header is no field (RFC 4155); `From : x` is one (RFC 5322 §4.5)
    return first && /^>?From /.test(line.toString('latin1', 0, 6));
  }

  #closeField(): void {
    if (this.#fieldName === undefined) return;
    this.#fields.push({ name: this.#fieldName, start: this.#fieldStart, end: this.#lineStart });
    this.#fieldName = undefined;
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

/** The name in front of the first colon, RFC 5322 §2.2: printable ASCII; blanks before the colon are tolerated (§4.5). */
function fieldName(line: Buffer): string | undefined {
  const colon = line.indexOf(0x3a);
  if (colon <= 0) return undefined;
  const name = line.toString('latin1', 0, colon);
  return /^[!-9;-~]+[ \t]*$/.test(name) ? name.trimEnd().toLowerCase() : undefined;
}

/**
 * A field as it may stand in a file of LF lines: CRLF becomes LF. Undefined when it holds a bare CR or NUL, which some reader would take for the
 * end of a line: such a field stays inside only.
 */
export function withLfLines(field: RawField): Buffer | undefined {
  const out = Buffer.allocUnsafe(field.bytes.length);
  let length = 0;
  for (let from = 0; from < field.bytes.length; ) {
    const lf = field.bytes.indexOf(LF, from);
    const next = lf === -1 ? field.bytes.length : lf + 1;
    const end = lf > from && field.bytes[lf - 1] === CR ? lf - 1 : lf === -1 ? next : lf;
    const line = field.bytes.subarray(from, end);
    if (line.includes(CR) || line.includes(0)) return undefined;
    if (!isBlank(line)) {
      out.set(line, length);
      length += line.length;
      out[length++] = LF;
    }
    from = next;
  }
  return out.subarray(0, length);
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte <= 0x20);
}
