/**
 * The bytes of BODY[...] (RFC 3501 §6.4.5). They are slices of the message, but for chosen header fields. A
 * part that is not there has none.
 */

import { withoutNul } from './canonical.ts';
import { fieldsIn, type Range } from './fields.ts';
import type { Part } from './parts.ts';
import type { Partial, Section } from './section.ts';

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
  const header = { start: message.header.start, end: message.body.start };
  return chosenFields(bytes, header, { kind, names }, path.length === 0 && kind === 'fields');
}

/** Thousands of messages are asked for the same names. */
const WANTED = new WeakMap<readonly string[], ReadonlySet<string>>();

function wantedBy(names: readonly string[]): ReadonlySet<string> {
  const wanted = WANTED.get(names) ?? new Set(names.map((name) => name.toLowerCase()));
  WANTED.set(names, wanted);
  return wanted;
}

function chosenFields(
  bytes: Buffer,
  header: Range,
  { kind, names }: Pick<Section, 'kind' | 'names'>,
  endsAlways: boolean,
): Buffer {
  const wanted = wantedBy(names);
  const chosen = Buffer.allocUnsafe(header.end - header.start + 2);
  let length = 0;
  let end = header.start;
  for (const field of fieldsIn(bytes, header)) {
    end = field.end;
    if (wanted.has(field.name) === (kind === 'fields'))
      length += bytes.copy(chosen, length, field.start, field.end);
  }
  if (end < header.end || endsAlways) length += emptyLine(bytes, end).copy(chosen, length);
  return chosen.subarray(0, length);
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
