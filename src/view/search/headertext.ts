/**
 * The text of header fields as it is searched: encoded words (RFC 2047) are decoded, other bytes taken for
 * UTF-8.
 */

import { textIn } from './charset.ts';
import { fromBase64 } from './transfer.ts';

/** White space between two encoded words is no text, even if the second one turns out to be none. */
const ENCODED_WORD = /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?]*)\?=(?:[ \t\r\n]+(?==\?))?/gi;

/** `folded`: one field or several, with their line ends, a byte in each character. */
export function headerText(folded: string): string {
  const value = folded.replace(/\r\n[ \t]/g, ' ');
  if (!value.includes('=?')) return plain(value);
  let text = '';
  let end = 0;
  for (const match of value.matchAll(ENCODED_WORD)) {
    text += plain(value.slice(end, match.index));
    const [all, charset = '', encoding = '', word = ''] = match;
    text += textIn(encoding.toLowerCase() === 'b' ? fromBase64(word) : fromQ(word), charset);
    end = match.index + all.length;
  }
  return text + plain(value.slice(end));
}

function plain(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, 'latin1').toString() : bytes;
}

function fromQ(word: string): Buffer {
  const bytes = word
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}
