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

/** WHATWG takes these for windows-1252. */
const ASCII = /^(?:us-)?ascii$|^ansi_x3\.4-1968$/i;

export function charsetDecoder(name: string | undefined): CharsetDecoder {
  if (name?.toLowerCase() === 'utf-7') return utf7();
  const decoder = new TextDecoder(knownLabel(name), { ignoreBOM: true });
  return { decode: (bytes) => decoder.decode(bytes, { stream: bytes !== undefined }) };
}

export function textIn(bytes: Uint8Array, charset: string | undefined): string {
  const decoder = charsetDecoder(charset);
  return decoder.decode(bytes) + decoder.decode(undefined);
}

function knownLabel(name: string | undefined): string {
  if (name === undefined || ASCII.test(name)) return 'utf-8';
  try {
    return new TextDecoder(name).encoding;
  } catch {
    return 'utf-8'; // RangeError: not known
  }
}
