/**
 * The text of header fields as it is searched: encoded words (RFC 2047) are decoded, other bytes taken for
 * UTF-8.
 */

import { textIn } from './charset.ts';

const ENCODED_WORD = /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?]*)\?=/gi;

/** `folded`: one field or several, with their line ends, a byte in each character. */
export function headerText(folded: string): string {
  const value = folded.replace(/\r\n[ \t]/g, ' ');
  if (!value.includes('=?')) return plain(value);
  let text = '';
  let end = 0;
  for (const match of value.matchAll(ENCODED_WORD)) {
    const between = value.slice(end, match.index);
    // white space between two encoded words is no text
    if (end === 0 || !/^[ \t\r\n]*$/.test(between)) text += plain(between);
    const [all, charset = '', encoding = '', word = ''] = match;
    text += textIn(encoding.toLowerCase() === 'b' ? Buffer.from(word, 'base64') : fromQ(word), charset);
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
