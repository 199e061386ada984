/**
 * An opened message as an IMAP client sees it: bytes in, the data of FETCH out. What comes out is what
 * Dovecot would answer about the same message in clear (README.md). Nothing is decrypted, read or written
 * here, and no bytes are refused.
 */

import type { Partial, Section } from '../core/section.ts';
import { withCrlf } from './canonical.ts';
import { envelopeOf } from './envelope.ts';
import { type Field, fieldsIn, type Range } from './fields.ts';
import { countLines, type Lines } from './lines.ts';
import { findParts, type Part } from './parts.ts';
import { sectionOf } from './sections.ts';
import { type Parsed, structureOf } from './structure.ts';

/**
 * What lists of messages are made from: enough to answer without the message, and small. The texts are IMAP,
 * a byte in each character (latin1), with literals where needed.
 */
export interface Summary {
  /** RFC822.SIZE */
  readonly size: number;
  /** ENVELOPE */
  readonly envelope: string;
  /** BODYSTRUCTURE */
  readonly bodyStructure: string;
}

export interface MessageView extends Summary {
  /** BODY without a section. */
  readonly body: string;
  /** The message with CRLF. */
  readonly bytes: Buffer;
  readonly parts: Part;
  /** Returns the bytes of BODY[...]<...>: slices of the message, empty for what is not there. */
  section(section: Section, partial?: Partial): Buffer;
  summary(): Summary;
}

/** `message` is not copied unless it has bare line feeds, and must not change as long as the view is used. */
export function openView(message: Buffer): MessageView {
  const work = openingView(message);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Does the same, and yields where others may have a turn: of what takes long, nothing is left for later. */
export function* openingView(message: Buffer): Generator<undefined, MessageView> {
  const bytes = yield* withCrlf(message);
  const parts = yield* findParts(bytes);
  return viewOf(bytes, parts, yield* countLines(bytes, parts));
}

/** Returns the view of a header with CRLF, such as BODY[HEADER] is, for what is asked of headers only. */
export function headerView(header: Buffer): Pick<MessageView, 'section'> {
  const end = header.length;
  const parts: Part = {
    kind: 'text',
    header: { start: 0, end },
    body: { start: end, end },
    children: [],
  };
  return { section: (section, partial) => sectionOf(header, parts, section, partial) };
}

function viewOf(bytes: Buffer, parts: Part, lines: Lines): MessageView {
  const header = headersWithin(MOST_HEADER_BYTES, MOST_HEADERS_BYTES);
  const few = once(() => fewFields(bytes, header(parts)));
  const fields = () => few() ?? fieldsIn(bytes, header(parts));
  const parsed = once((): Parsed => ({ fields, header, contents: new Map(), lines }));
  return {
    bytes,
    parts,
    size: bytes.length,
    get envelope() {
      return envelopeOf(bytes, fields());
    },
    get bodyStructure() {
      return structureOf(bytes, parts, parsed(), 'BODYSTRUCTURE');
    },
    get body() {
      return structureOf(bytes, parts, parsed(), 'BODY');
    },
    section: (section, partial) => sectionOf(bytes, parts, section, partial),
    summary() {
      const { size, envelope, bodyStructure } = this;
      return { size, envelope, bodyStructure };
    },
  };
}

/** Mail servers take no larger header (Postfix 100 KiB, Exim 1 MiB); one is read at once. */
const MOST_HEADER_BYTES = 1024 * 1024;
/** Of all parts together, in their order. */
const MOST_HEADERS_BYTES = 2 * 1024 * 1024;

/** Returns what is looked at of the header of each part for ENVELOPE and BODYSTRUCTURE. */
function headersWithin(most: number, mostTogether: number): (part: Part) => Range {
  const looked = new Map<Part, Range>();
  let left = mostTogether;
  return (part) => {
    const known = looked.get(part);
    if (known !== undefined) return known;
    const { start, end } = part.header;
    const range = { start, end: Math.min(end, start + Math.min(most, left)) };
    left -= range.end - start;
    looked.set(part, range);
    return range;
  };
}

/** More of them are read anew each time. */
const MOST_FIELDS = 1000;

function fewFields(bytes: Buffer, header: Range): readonly Field[] | undefined {
  const fields: Field[] = [];
  for (const field of fieldsIn(bytes, header)) {
    if (fields.length === MOST_FIELDS) return undefined;
    fields.push(field);
  }
  return fields;
}

function once<T>(find: () => T): () => T {
  let found: { readonly value: T } | undefined;
  return () => {
    found ??= { value: find() };
    return found.value;
  };
}
