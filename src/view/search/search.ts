/**
 * Whether a message matches one key of SEARCH (RFC 3501 §6.4.4), found in its text: transfer encodings and
 * charsets are decoded, and letters are compared as casemap.ts says. What counts as text follows Dovecot.
 */

import { fieldNamed, fieldsIn, foldedValue, type Range, unfoldedValue } from '../fields.ts';
import { encodingFrom, parseContentType } from '../parameters.ts';
import type { Part } from '../parts.ts';
import type { MessageView } from '../view.ts';
import { addressText } from './addresstext.ts';
import { casemapped } from './casemap.ts';
import { charsetDecoder } from './charset.ts';
import { headerText } from './headertext.ts';
import { sentDay } from './sentday.ts';
import { decodedTransfer } from './transfer.ts';

export type SearchKey = ContentKey | HeaderKey;

/** BODY: in bodies of text. TEXT: there, and in header fields of the message and of its parts. */
interface ContentKey {
  readonly kind: 'body' | 'text';
  readonly text: string;
}

/** Its answer is in the header of the message, and in its size. */
export type HeaderKey =
  | { readonly kind: 'subject' | 'from' | 'to' | 'cc' | 'bcc'; readonly text: string }
  /** HEADER. With an empty text the field only has to be there. */
  | { readonly kind: 'header'; readonly name: string; readonly text: string }
  /** In bytes of RFC822.SIZE. */
  | { readonly kind: 'larger' | 'smaller'; readonly bytes: number }
  /** `day`: days since 1970-01-01, from `dayNumber`. */
  | { readonly kind: 'sentbefore' | 'senton' | 'sentsince'; readonly day: number };

/** What is known of a message without the rest of it: its header, with the empty line, and its size. */
export interface Headed {
  readonly header: Buffer;
  readonly size: number;
}

export function matchesKey(view: MessageView, key: SearchKey): boolean {
  if (!isContentKey(key)) return matchesHeader(headOf(view), key);
  return textMatches(view, casemapped(key.text), key.kind);
}

/** Tells whether the answer is in the text, which has to be there for it. */
export function isContentKey(key: SearchKey): key is ContentKey {
  return key.kind === 'body' || key.kind === 'text';
}

function headOf({ bytes, size, parts: { header } }: MessageView): Headed {
  return { header: bytes.subarray(header.start, header.end), size };
}

export function matchesHeader(view: Headed, key: HeaderKey): boolean {
  switch (key.kind) {
    case 'larger':
      return view.size > key.bytes;
    case 'smaller':
      return view.size < key.bytes;
    case 'sentbefore':
      return daySent(view) < key.day;
    case 'senton':
      return daySent(view) === key.day;
    case 'sentsince':
      return daySent(view) >= key.day;
    case 'header':
      return headerMatches(view, key.name, key.text, headerText);
    case 'subject':
      return headerMatches(view, key.kind, key.text, (value) =>
        headerText(value.replace(/[ \t\r\n]+/g, ' ').replace(/^ /, '')),
      );
    case 'from':
    case 'to':
    case 'cc':
    case 'bcc':
      return headerMatches(view, key.kind, key.text, (value) => headerText(addressText(value)));
    default:
      return key satisfies never;
  }
}

/** A message without a date that can be read is older than all others. */
function daySent({ header }: Headed): number {
  const date = fieldNamed(header, wholeOf(header), 'date');
  return (date && sentDay(unfoldedValue(header, date))) ?? Number.NEGATIVE_INFINITY;
}

function headerMatches(
  { header }: Headed,
  name: string,
  text: string,
  read: (value: string) => string,
): boolean {
  const sought = casemapped(text);
  const lowered = name.toLowerCase();
  for (const field of fieldsIn(header, wholeOf(header)))
    if (field.name === lowered && casemapped(read(foldedValue(header, field))).includes(sought)) return true;
  return false;
}

function wholeOf(header: Buffer): Range {
  return { start: 0, end: header.length };
}

function textMatches({ bytes, parts }: MessageView, sought: string, kind: 'body' | 'text'): boolean {
  if (sought === '') return true;
  const pending = [parts];
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (kind === 'text' && isInHeader(bytes, part, sought)) return true;
    if (part.children.length === 0 && isInBody(bytes, part, sought)) return true;
    pending.unshift(...part.children);
  }
  return false;
}

function isInHeader(bytes: Buffer, { header: { start, end } }: Part, sought: string): boolean {
  return casemapped(headerText(bytes.toString('latin1', start, end))).includes(sought);
}

interface Decoding {
  isText: boolean;
  encoding?: string;
  charset?: string | undefined;
}

/**
 * Unlike for BODYSTRUCTURE the last field of a kind counts, of Content-Type for the type but not
 * for the charset, and a parameter may follow the encoding.
 */
function decodingOf(bytes: Buffer, { header }: Part): Decoding {
  const decoding: Decoding = { isText: true };
  let isFirst = true;
  for (const field of fieldsIn(bytes, header))
    if (field.name === 'content-type') {
      const { type, subtype, parameters } = parseContentType(unfoldedValue(bytes, field));
      decoding.isText = /^(?:text|message)$/i.test(type) && subtype !== '';
      if (isFirst) decoding.charset = parameters.find(([name]) => name.toLowerCase() === 'charset')?.[1];
      isFirst = false;
    } else if (field.name === 'content-transfer-encoding')
      decoding.encoding = encodingFrom(unfoldedValue(bytes, field));
  return decoding;
}

/** So many bytes become text at a time. */
const PIECE_BYTES = 1 << 20;

function isInBody(bytes: Buffer, part: Part, sought: string): boolean {
  const { isText, charset, encoding } = decodingOf(bytes, part);
  if (!isText) return false;
  const body = decodedTransfer(bytes.subarray(part.body.start, part.body.end), encoding);
  if (body === undefined) return false;
  const decoder = charsetDecoder(charset);
  let before = '';
  for (let at = 0; at <= body.length; at += PIECE_BYTES) {
    const isLast = at + PIECE_BYTES > body.length;
    const piece =
      decoder.decode(body.subarray(at, at + PIECE_BYTES)) + (isLast ? decoder.decode(undefined) : '');
    const text = before + casemapped(piece);
    if (text.includes(sought)) return true;
    before = text.slice(-sought.length);
  }
  return false;
}
