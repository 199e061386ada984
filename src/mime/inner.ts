/**
 * What a header policy puts into a message: the fields and parameters that tell a mail client which of the
 * header fields are sealed only, so that it shows those (RFC 9788: `hp` and HP-Outer; its draft of before,
 * which most clients know: `protected-headers`). Nothing is taken away or changed, and of the body nothing
 * is read (D42 in README.md).
 */
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { latin1 } from '../core/latin1.ts';
import { fieldsOf, type HeaderBlock } from './header.ts';
import { type Insertion, MOST_INSERTIONS } from './insertions.ts';
import { outerFields } from './policy.ts';

export interface SplitHeader {
  /** The original fields that are shown outside. */
  readonly outside: Buffer;
  /** Our own field, with LF line ends, if it stands outside: else it is among what is put inside. */
  readonly own: Buffer;
  /** What is put into the message. */
  readonly insertions: readonly Insertion[];
}

const PARAMETERS = Buffer.from('; hp="cipher"; protected-headers="v1"');
/**
 * RFC 2045 §5.2 has US-ASCII here, and what is written without a Content-Type and is not ASCII is UTF-8
 * nowadays: Thunderbird assumes the same.
 */
const MISSING_TYPE = Buffer.from(`Content-Type: text/plain; charset=utf-8${PARAMETERS}\r\n`);
const HP_OUTER = Buffer.from('HP-Outer: ');
/** With a signature over it (RFC 3156 §5). */
const SIGNED = /^[^:]*:\s*multipart\/signed\s*;(?:.*;)?\s*protocol\s*=\s*"?application\/pgp-signature/is;
/** Ends the header; the empty line that the message has there then ends the preamble. */
const PREAMBLE = Buffer.from('\r\nContent-Type: text/plain; protected-headers="v1"\r\n');
/** What is put before a parameter of the sender's that has the name of one of ours. */
const NOT_OURS = Buffer.from('x-');

/** A Content-Type with more is taken for one that cannot be read. */
const MOST_TYPE_BYTES = 16 * 1024;
const BLANK = String.raw`(?:[ \t\r\n]|\((?:[^()\\]|\\[^])*\))*`; // with comments
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** The name of the field, its type and its subtype (RFC 2045 §5.1), up to where parameters may stand. */
const MEDIA_TYPE = new RegExp(`^[^:]*:${BLANK}${TOKEN}${BLANK}/${BLANK}${TOKEN}(?=[ \\t\\r\\n;(])`);
/** A parameter with the name of one of ours, also in pieces or encoded (RFC 2231). */
const OF_OUR_NAME = /^([ \t\r\n]*)(?:hp|protected-headers)[*\d]*[ \t\r\n]*=/i;

const LF = 0x0a;
const CRLF = Buffer.from('\r\n');

const NOTHING = Buffer.alloc(0);

/**
 * Splits the header of a message into what is shown outside, and what has to be put inside for it. `own`: a
 * field that goes inside where something is put there anyway, and stands outside elsewhere.
 */
export function splitHeader(block: HeaderBlock, policy: HeaderPolicy, own: Buffer): SplitHeader {
  const outside = outerFields(block, policy);
  const insertions = policy === 'visible' ? [] : insertionsFor(block, outside, own);
  const isInside = insertions.length > 0;
  return {
    outside,
    insertions,
    own: isInside ? NOTHING : Buffer.from(latin1(own).replaceAll('\r', ''), 'latin1'),
  };
}

/**
 * Nothing is put into a message whose header is not certain, or has a Content-Type that cannot be read: where
 * its header ends, or what it is, would be another matter for some clients then.
 */
function insertionsFor(block: HeaderBlock, outside: Buffer, own: Buffer): readonly Insertion[] {
  if (!block.isCertain) return [];
  const inTypes: Insertion[] = [];
  const [types, subjects]: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  for (const { name, bytes } of fieldsOf(block)) {
    if (name === 'subject') subjects.push(bytes);
    if (name === 'content-type') {
      const inType = insertionsInType(bytes, at);
      if (inType === undefined) return [];
      inTypes.push(...inType);
      if (inTypes.length >= MOST_INSERTIONS) return [];
      types.push(bytes);
    }
    at += bytes.length;
  }
  const first = Buffer.concat([own, ...(types.length > 0 ? [] : [MISSING_TYPE]), ...hpOuterOf(outside)]);
  const preamble = preambleOf(types, subjects).map((bytes) => ({ at, bytes }));
  return [{ at: 0, bytes: first }, ...inTypes, ...preamble].slice(0, MOST_INSERTIONS);
}

/**
 * Returns what goes in front of the parts of a message that its sender signed with OpenPGP, where MIME
 * readers show nothing (RFC 2046 §5.1.1). Thunderbird 153 looks for the subject of such a message from there
 * on (test/peers/clients.test.ts).
 */
function preambleOf(types: readonly Buffer[], subjects: readonly Buffer[]): Buffer[] {
  const [[type], [subject]] = [types, subjects];
  if (type === undefined || subject === undefined || types.length + subjects.length > 2) return [];
  return SIGNED.test(latin1(type)) ? [Buffer.concat([PREAMBLE, subject])] : [];
}

/**
 * Our parameters stand before all others, so that nothing that is odd about those hides them. Returns
 * undefined if there is no type to put them after.
 */
function insertionsInType(field: Buffer, start: number): Insertion[] | undefined {
  if (field.length > MOST_TYPE_BYTES) return undefined;
  const text = latin1(field);
  const [head] = MEDIA_TYPE.exec(text) ?? [];
  if (head === undefined) return undefined;
  const others = placesOfOurNames(text, head.length).map((at) => ({ at: start + at, bytes: NOT_OURS }));
  return [{ at: start + head.length, bytes: PARAMETERS }, ...others];
}

/** Returns where the sender's own parameters with the names of ours begin. */
function placesOfOurNames(text: string, from: number): number[] {
  const places: number[] = [];
  let comments = 0;
  let isQuoted = false;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '\\' && (isQuoted || comments > 0)) at++;
    else if (character === '"' && comments === 0) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (character === '(') comments++;
    else if (character === ')' && comments > 0) comments--;
    else if (character === ';' && comments === 0) {
      const [, blank] = OF_OUR_NAME.exec(text.slice(at + 1)) ?? [];
      if (blank !== undefined) places.push(at + 1 + blank.length);
    }
  }
  return places;
}

/** Returns a field for each one that is shown outside, with the value that it has there (RFC 9788). */
function hpOuterOf(outside: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let start = 0, end = 0; start < outside.length; start = end) {
    end = outside.indexOf(LF, start) + 1;
    const isFolded = outside[start] === 0x20 || outside[start] === 0x09;
    if (!isFolded) out.push(HP_OUTER);
    out.push(outside.subarray(start, end - 1), CRLF);
  }
  return out;
}
