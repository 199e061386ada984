/**
 * How letters are compared: without regard to case and to the way that accents are composed, as
 * i;unicode-casemap does (RFC 5051), which Dovecot compares with. So "cafe" is found in "café", as its first
 * letters, but "strasse" is not found in "Straße".
 */

const BEYOND_ASCII = /\P{ASCII}/u;
const LETTERS_BEYOND_ASCII = /\P{ASCII}/gu;

/** Returns what is equal for texts that are to be taken for equal. Line ends are LF. */
export function casemapped(text: string): string {
  const lines = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  if (!BEYOND_ASCII.test(lines)) return lines.toUpperCase();
  return lines
    .replace(/[a-z]+/g, (letters) => letters.toUpperCase())
    .replace(LETTERS_BEYOND_ASCII, oneLetter)
    .normalize('NFD');
}

/** A letter remains one: JavaScript makes two of some. */
function oneLetter(letter: string): string {
  const upper = letter.toUpperCase();
  return upper.length === letter.length ? upper : letter;
}
