/**
 * How letters are compared: without regard to case, to the way that accents are composed, and to the width or
 * style of a letter, as i;unicode-casemap does (RFC 5051), which Dovecot compares with. So "cafe" is found in
 * "café", as its first letters, and a blank in one that must not be broken, but "strasse" is not found in
 * "Straße". Each letter is taken apart by one step only: "e" is no first letter of "ế", but "ê" is.
 */

const BEYOND_ASCII = /\P{ASCII}/u;
const RUNS_BEYOND_ASCII = /\P{ASCII}+/gu;
const HANGUL = /^[\uac00-\ud7a3]$/;

/** What becomes of a letter: for those below U+10000 it is found once. */
const KNOWN = new Map<string, string>();

/** Returns what is equal for texts that are to be taken for equal. Line ends are LF. */
export function casemapped(text: string): string {
  const lines = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  if (!BEYOND_ASCII.test(lines)) return lines.toUpperCase();
  return lines
    .replace(/[a-z]+/g, (letters) => letters.toUpperCase())
    .replace(RUNS_BEYOND_ASCII, (letters) => Array.from(letters, known).join(''));
}

function known(letter: string): string {
  if (letter.length > 1) return mapped(letter);
  const found = KNOWN.get(letter) ?? mapped(letter);
  KNOWN.set(letter, found);
  return found;
}

function mapped(letter: string): string {
  const upper = letter.toUpperCase();
  // JavaScript makes two letters of some: these are left as they are
  const one = upper.length === letter.length ? upper : letter;
  const letters = Array.from(one.normalize('NFD'));
  const last = letters.pop() ?? '';
  if (letters.length > 0 && !HANGUL.test(one)) return letters.join('').normalize('NFC') + last;
  return one.normalize('NFKD');
}
