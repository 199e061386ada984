/**
 * Bytes of a charset as text, for searching only: what is not valid becomes U+FFFD, and bytes of a charset
 * that is not known are taken for UTF-8, in which ASCII is itself.
 */

import { utf7 } from './utf7.ts';

/** Text in pieces: a character may begin in one piece of bytes and end in the next. */
export interface CharsetDecoder {
  /** `bytes`: the next piece, undefined at the end. */
  decode(bytes: Uint8Array | undefined): string;
}

/** WHATWG takes the first ones for windows-1252, and does not know the others. */
const ALIASES: Readonly<Record<string, string>> = {
  ascii: 'utf-8',
  'us-ascii': 'utf-8',
  'ansi_x3.4-1968': 'utf-8',
  cp932: 'shift_jis',
  cp936: 'gbk',
  cp949: 'euc-kr',
  utf7: 'utf-7',
};

export function charsetDecoder(name = 'utf-8'): CharsetDecoder {
  // some programs put apostrophes around it
  const letters = name.toLowerCase().replace(/[^a-z0-9_.:-]/g, '');
  const charset = Object.hasOwn(ALIASES, letters) ? ALIASES[letters] : letters;
  if (charset === 'utf-7') return utf7();
  if (charset === 'utf-16') return utf16();
  const decoder = new TextDecoder(knownLabel(charset), { ignoreBOM: true });
  return { decode: (bytes) => decoder.decode(bytes, { stream: bytes !== undefined }) };
}

/** The first two bytes may tell which byte of a pair comes first. */
function utf16(): CharsetDecoder {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  return {
    decode(bytes) {
      decoder ??= new TextDecoder(bytes?.[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-16le');
      return decoder.decode(bytes, { stream: bytes !== undefined });
    },
  };
}

export function textIn(bytes: Uint8Array, charset: string | undefined): string {
  const decoder = charsetDecoder(charset);
  return decoder.decode(bytes) + decoder.decode(undefined);
}

/** By labels that were asked for: a header may have a hundred thousand of one that is not known. */
const LABELS = new Map<string, string>();
const MOST_LABELS = 1000;

function knownLabel(name = 'utf-8'): string {
  const known = LABELS.get(name) ?? encodingOf(name);
  if (LABELS.size >= MOST_LABELS) LABELS.clear();
  LABELS.set(name, known);
  return known;
}

function encodingOf(name: string): string {
  try {
    return new TextDecoder(name).encoding;
  } catch {
    return 'utf-8'; // RangeError: not known
  }
}
