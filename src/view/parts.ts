/**
 * The tree of parts of a message with CRLF (RFC 2046), as offsets. It is found in one pass and holds no
 * text. What a part is follows Dovecot, also where a message is malformed: clients have been shown that.
 */

import { endOfField, endOfLine, isEmptyLine, nameIn, type Range } from './fields.ts';
import { boundaryIn, type Kind, kindOf } from './kind.ts';

const MOST_DEPTH = 100;
const MOST_PARTS = 10_000;
/** Of a boundary only so many bytes count. RFC 2046 §5.1.1 allows 70. */
const MOST_BOUNDARY_BYTES = 80;
const MARK = Buffer.from('\n--');
/** So it is after so many fields. */
const TURN_LINES = 1000;
/** After so many lines that could be a boundary others may have a turn. */
const TURN_MARKS = 1000;
const DASH = 0x2d;
const LF = 0x0a;
const CR = 0x0d;

export interface Part {
  kind: Kind;
  readonly header: Range;
  readonly body: Range;
  /** A message/rfc822 has one child, the message in it. */
  readonly children: readonly Part[];
}

interface OpenPart {
  kind: Kind;
  header: { start: number; end: number };
  body: { start: number; end: number };
  children: OpenPart[];
}

/** A multipart that has not ended yet. */
interface Boundary {
  readonly text: string;
  /** The place of its part among those that are open. */
  readonly depth: number;
}

interface Found {
  readonly lineStart: number;
  readonly lineEnd: number;
  readonly boundary: Boundary;
}

export function findParts(bytes: Buffer): Generator<undefined, Part> {
  return new PartFinder(bytes).find();
}

class PartFinder {
  readonly #bytes: Buffer;
  /** From the message itself to the part that is being read. */
  readonly #open: OpenPart[] = [];
  /** The innermost is the last. */
  #boundaries: Boundary[] = [];
  #count = 0;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  *find(): Generator<undefined, Part> {
    const root = this.#begin();
    let found = yield* this.#readHeaders(root);
    for (;;) {
      found ??= yield* this.#nextBoundary();
      if (found === undefined) break;
      found = yield* this.#passBoundary(found);
    }
    for (const part of this.#open) part.body.end = this.#bytes.length;
    return root;
  }

  #begin(): OpenPart {
    this.#count++;
    const at = this.#at;
    const part: OpenPart = {
      kind: 'text',
      header: { start: at, end: at },
      body: { start: at, end: at },
      children: [],
    };
    this.#open.at(-1)?.children.push(part);
    this.#open.push(part);
    return part;
  }

  /** Reads the header of a part, and of the message in it. Returns the boundary that a header ended at. */
  *#readHeaders(first: OpenPart): Generator<undefined, Found | undefined> {
    for (let part = first; ; part = this.#begin()) {
      const found = yield* this.#readHeader(part);
      if (found !== undefined) {
        if (part.kind === 'message') this.#begin(); // one without header and body
        return found;
      }
      if (part.kind !== 'message') return undefined;
    }
  }

  *#readHeader(part: OpenPart): Generator<undefined, Found | undefined> {
    const bytes = this.#bytes;
    const limit = bytes.length;
    let lines = 0;
    let contentType: Range | undefined;
    let found: Found | undefined;
    for (let at = this.#at, end = at; at < limit; at = end) {
      if (++lines % TURN_LINES === 0) yield;
      end = endOfLine(bytes, at, limit);
      if (isEmptyLine(bytes, at, end)) {
        this.#at = end;
        break;
      }
      found = this.#boundaryAt(at);
      if (found !== undefined) break;
      const isFirst = contentType === undefined && isContentType(bytes, at, end);
      end = endOfField(bytes, end, limit);
      if (isFirst) contentType = { start: at, end };
      this.#at = end;
    }
    part.header.end = this.#at;
    part.body.start = this.#at;
    this.#setKind(part, contentType);
    return found;
  }

  #setKind(part: OpenPart, contentType: Range | undefined): void {
    const parent = this.#open.at(-2);
    part.kind = kindOf(this.#bytes, contentType, parent?.kind === 'digest');
    const isContainer = part.kind !== 'text' && part.kind !== 'other';
    if (isContainer && this.#open.length >= MOST_DEPTH) part.kind = 'overflow';
    if (part.kind !== 'multipart' && part.kind !== 'digest') return;
    const text = contentType === undefined ? undefined : boundaryIn(this.#bytes, contentType);
    if (text === undefined) return;
    this.#boundaries.push({ text: text.slice(0, MOST_BOUNDARY_BYTES), depth: this.#open.length - 1 });
  }

  /** Closes what the boundary ends, and begins the next part unless it was the last one. */
  *#passBoundary({ lineStart, lineEnd, boundary }: Found): Generator<undefined, Found | undefined> {
    const bytes = this.#bytes;
    // the line end above a boundary belongs to it (RFC 2046 §5.1.1), if there is a line
    const bodyEnd = lineStart > this.#at ? lineStart - 2 : lineStart;
    const closed = this.#open.splice(boundary.depth + 1);
    for (const { header, body } of closed) {
      body.end = bodyEnd;
      // without a body that line end is the header's: what is shown of it loses it, what is counted does not
      if (header.end === lineStart && header.start < lineStart) header.end -= 2;
    }
    const after = lineStart + 2 + boundary.text.length;
    const isLast = bytes[after] === DASH && bytes[after + 1] === DASH;
    const kept = this.#boundaries.indexOf(boundary) + (isLast ? 0 : 1);
    this.#boundaries.length = kept;
    this.#at = lineEnd;
    const isCutOff = lineEnd === bytes.length && bytes[lineEnd - 1] !== LF;
    return isLast || isCutOff ? undefined : yield* this.#readHeaders(this.#begin());
  }

  /** Returns the next line from here that is a boundary. */
  *#nextBoundary(): Generator<undefined, Found | undefined> {
    if (this.#boundaries.length === 0) return undefined;
    yield;
    const here = this.#boundaryAt(this.#at);
    if (here !== undefined) return here;
    const bytes = this.#bytes;
    let marks = 0;
    for (let mark = bytes.indexOf(MARK, this.#at); mark !== -1; mark = bytes.indexOf(MARK, mark + 1)) {
      const found = this.#boundaryAt(mark + 1);
      if (found !== undefined) return found;
      if (++marks % TURN_MARKS === 0) yield;
    }
    return undefined;
  }

  #boundaryAt(lineStart: number): Found | undefined {
    const bytes = this.#bytes;
    if (bytes[lineStart] !== DASH || bytes[lineStart + 1] !== DASH) return undefined;
    if (this.#boundaries.length === 0 || this.#count >= MOST_PARTS) return undefined;
    const lineEnd = endOfLine(bytes, lineStart, bytes.length);
    let textEnd = lineEnd;
    if (textEnd > lineStart && bytes[textEnd - 1] === LF) textEnd--;
    if (textEnd > lineStart && bytes[textEnd - 1] === CR) textEnd--;
    const most = MOST_BOUNDARY_BYTES + 2;
    const line = bytes.toString('latin1', lineStart + 2, Math.min(textEnd, lineStart + 2 + most));
    const boundary = longestMatch(this.#boundaries, line);
    return boundary && { lineStart, lineEnd, boundary };
  }
}

/**
 * Of boundaries that begin a line the longest one counts, and of equal ones the innermost. One that is all of
 * the line, or all but two dashes, counts before longer ones further out.
 */
function longestMatch(boundaries: readonly Boundary[], line: string): Boundary | undefined {
  let best: Boundary | undefined;
  for (let n = boundaries.length - 1; n >= 0; n--) {
    const boundary = boundaries[n];
    if (boundary === undefined || !line.startsWith(boundary.text)) continue;
    if (best !== undefined && boundary.text.length <= best.text.length) continue;
    best = boundary;
    const rest = line.slice(boundary.text.length);
    if (rest === '' || rest === '--') break;
  }
  return best;
}

function isContentType(bytes: Buffer, start: number, lineEnd: number): boolean {
  return ((bytes[start] ?? 0) | 0x20) === 0x63 && nameIn(bytes, start, lineEnd).name === 'content-type';
}
