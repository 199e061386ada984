/**
 * The bytes of BODY[...] (RFC 3501 §6.4.5). They are slices of the message, but for chosen header fields. A
 * part that is not there has none.
 */

import type { Partial, Section } from '../core/section.ts';
import { withoutNul } from './canonical.ts';
import { endOfField, endOfLine, isEmptyLine, nameIn, type Range } from './fields.ts';
import type { Part } from './parts.ts';

const NOTHING = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');

export function sectionOf(bytes: Buffer, root: Part, section: Section, partial?: Partial): Buffer {
  const whole = wholeSection(bytes, root, section);
  return withoutNul(
    partial === undefined ? whole : whole.subarray(partial.origin, partial.origin + partial.length),
  );
}

function wholeSection(bytes: Buffer, root: Part, { part: path, kind, names }: Section): Buffer {
  const part = partAt(root, path);
  if (part === undefined) return NOTHING;
  const slice = ({ start, end }: Range) => bytes.subarray(start, end);
  if (kind === 'mime') return slice(part.header);
  if (path.length > 0 && kind === 'all') return slice(part.body);
  // the others are about a message: this one, or the one that the part holds
  const message = path.length === 0 ? root : part.kind === 'message' ? part.children[0] : undefined;
  if (message === undefined) return NOTHING;
  if (kind === 'all') return bytes;
  if (kind === 'header') return slice(message.header);
  if (kind === 'text') return slice(message.body);
  if (path.length === 0) {
    const header = { start: message.header.start, end: message.body.start };
    return chosenFields(bytes, header, { kind, names }, kind === 'fields');
  }
  const { start } = message.header;
  const { start: bodyStart } = message.body;
  // of a message without a byte the line end above the boundary is the empty line
  if (part.header.end < start) return CRLF;
  // and of one that has none, fields are what follows, up to one
  const end = endsWithEmptyLine(bytes, start, bodyStart) ? bodyStart : bytes.length;
  return chosenFields(bytes, { start, end }, { kind, names }, false);
}

interface Wanted {
  readonly names: ReadonlySet<string>;
  /** How the names begin: most fields need not be looked at further. Undefined: one is too short. */
  readonly beginnings: ReadonlySet<number> | undefined;
}

/** Thousands of messages are asked for the same names. */
const WANTED = new WeakMap<readonly string[], Wanted>();

function wantedBy(names: readonly string[]): Wanted {
  const known = WANTED.get(names);
  if (known !== undefined) return known;
  const lower = names.map((name) => name.toLowerCase());
  const isFit = lower.every(({ length }) => length >= 2);
  const beginnings = lower.map((name) => beginningAt(Buffer.from(name, 'latin1'), 0));
  const wanted = { names: new Set(lower), beginnings: isFit ? new Set(beginnings) : undefined };
  WANTED.set(names, wanted);
  return wanted;
}

/** Returns two bytes as a number, with the bit set that tells lower case from upper case. */
function beginningAt(bytes: Buffer, at: number): number {
  return (((bytes[at] ?? 0) | 0x20) << 8) | ((bytes[at + 1] ?? 0) | 0x20);
}

function chosenFields(
  bytes: Buffer,
  header: Range,
  { kind, names }: Pick<Section, 'kind' | 'names'>,
  endsAlways: boolean,
): Buffer {
  const { names: wanted, beginnings } = wantedBy(names);
  const isFields = kind === 'fields';
  const chosen = Buffer.allocUnsafe(header.end - header.start + 2);
  let length = 0;
  let end = header.start;
  for (let at = header.start; at < header.end; at = end) {
    const lineEnd = endOfLine(bytes, at, header.end);
    if (isEmptyLine(bytes, at, lineEnd)) break;
    end = endOfField(bytes, lineEnd, header.end);
    const mayBeWanted = beginnings?.has(beginningAt(bytes, at)) !== false;
    const isWanted = mayBeWanted && wanted.has(nameIn(bytes, at, lineEnd).name);
    if (isWanted === isFields) length += bytes.copy(chosen, length, at, end);
  }
  if (end < header.end || endsAlways) length += emptyLine(bytes, end).copy(chosen, length);
  return chosen.subarray(0, length);
}

function endsWithEmptyLine(bytes: Buffer, start: number, end: number): boolean {
  const line = end - 2;
  return line >= start && (line === start || bytes[line - 1] === 0x0a) && isEmptyLine(bytes, line, end);
}

/** What makes an empty line after what ends here: a line feed only after a CR that ends the message. */
function emptyLine(bytes: Buffer, end: number): Buffer {
  return bytes[end - 1] === 0x0d ? CRLF.subarray(1) : CRLF;
}

/**
 * Follows part numbers. A part that holds no others is its own part 1, but only once: that is how part 1 of a
 * message without parts is its text.
 */
function partAt(root: Part, path: readonly number[]): Part | undefined {
  let part: Part | undefined = root;
  let isItself = false;
  for (const [depth, number] of path.entries()) {
    if (part === undefined || isItself) return undefined;
    const inner: Part | undefined = depth > 0 && part.kind === 'message' ? part.children[0] : part;
    if (inner !== undefined && (inner.kind === 'multipart' || inner.kind === 'digest'))
      part = inner.children[number - 1];
    else {
      if (number !== 1) return undefined;
      isItself = inner?.kind !== 'message';
      part = inner;
    }
  }
  return part;
}
