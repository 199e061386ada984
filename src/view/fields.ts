/**
 * The fields of a header in a message with CRLF (canonical.ts). A line that is no field counts as one without
 * a name, as in Dovecot, so a header ends at an empty line and nowhere else.
 */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
/** A name that is longer is none. */
const MOST_NAME_BYTES = 1000;
const NOT_ASCII = /[\x80-\xff]/;

/** A stretch of the message, in bytes. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Field extends Range {
  /** In lower case, empty if there is no colon. */
  readonly name: string;
  /** Where the value begins: after the colon and the blanks between it and the text. */
  readonly valueStart: number;
}

/** Returns where the line that begins at `start` ends, with its LF; `limit` if it has none before that. */
export function endOfLine(bytes: Buffer, start: number, limit: number): number {
  const found = bytes.indexOf(LF, start);
  return found === -1 || found >= limit ? limit : found + 1;
}

/** Tells whether the line is empty. Nothing at all is no line. */
export function isEmptyLine(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 2 && bytes[start] === CR && bytes[start + 1] === LF;
}

/** Tells whether the line belongs to the field above. */
export function isContinuation(bytes: Buffer, start: number): boolean {
  return bytes[start] === SPACE || bytes[start] === TAB;
}

/** Returns where the field ends whose first line ends at `lineEnd`. */
export function endOfField(bytes: Buffer, lineEnd: number, limit: number): number {
  let end = lineEnd;
  while (end < limit && isContinuation(bytes, end)) end = endOfLine(bytes, end, limit);
  return end;
}

/** Yields the fields within a header: there may be millions. The empty line may be part of the range. */
export function* fieldsIn(bytes: Buffer, { start, end }: Range): Generator<Field, undefined> {
  for (let at = start; at < end; ) {
    const lineEnd = endOfLine(bytes, at, end);
    if (isEmptyLine(bytes, at, lineEnd)) break;
    const next = endOfField(bytes, lineEnd, end);
    const { name, valueStart } = nameIn(bytes, at, lineEnd);
    yield { name, valueStart, start: at, end: next };
    at = next;
  }
}

/** Returns the first field of this name, which is in lower case. */
export function fieldNamed(bytes: Buffer, header: Range, name: string): Field | undefined {
  for (const field of fieldsIn(bytes, header)) if (field.name === name) return field;
  return undefined;
}

/** Returns the name of the field whose first line this is, and where its value begins. */
export function nameIn(bytes: Buffer, start: number, lineEnd: number): { name: string; valueStart: number } {
  let colon = start;
  while (colon < lineEnd && bytes[colon] !== COLON) colon++;
  let nameEnd = colon;
  while (nameEnd > start && isContinuation(bytes, nameEnd - 1)) nameEnd--;
  if (colon === lineEnd || nameEnd - start > MOST_NAME_BYTES) return { name: '', valueStart: start };
  let valueStart = colon + 1;
  while (isContinuation(bytes, valueStart)) valueStart++;
  // of a line of blanks only the first is passed over
  const isBlank = valueStart > colon + 2 && valueStart >= withoutLineEnd(bytes, start, lineEnd);
  if (isBlank) valueStart = colon + 2;
  return { name: lowered(bytes, start, nameEnd), valueStart };
}

/** What comes after a NUL does not count. */
function lowered(bytes: Buffer, start: number, end: number): string {
  const [name = ''] = bytes.toString('latin1', start, end).split('\0', 1);
  if (!NOT_ASCII.test(name)) return name.toLowerCase();
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function withoutLineEnd(bytes: Buffer, start: number, end: number): number {
  if (end === start || bytes[end - 1] !== LF) return end;
  return end - start > 1 && bytes[end - 2] === CR ? end - 2 : end - 1;
}

/** Returns the value in one line, a byte in each character: of its line ends the blanks after them stay. */
export function unfoldedValue(bytes: Buffer, field: Field): string {
  const value = foldedValue(bytes, field);
  if (!/[\r\n]/.test(value)) return value;
  // a bare CR is taken for a line end here, and one at the end for none
  return value.replace(/[\r\n]+$/, '').replace(/[\r\n]+([ \t]?)/g, (_, blank: string) => blank || ' ');
}

/** Returns the value with the line ends that are in it. */
export function foldedValue(bytes: Buffer, { valueStart, end }: Field): string {
  return bytes.toString('latin1', valueStart, withoutLineEnd(bytes, valueStart, end));
}
