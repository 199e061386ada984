/**
 * How letters are compared: without regard to case and to the way that accents are composed, as
 * i;unicode-casemap does (RFC 5051), which Dovecot compares with. So "cafe" is found in "café", as its first
 * letters, but "strasse" is not found in "Straße".
 */

const BEYOND_ASCII = /\P{ASCII}/u;
const RUNS_BEYOND_ASCII = /\P{ASCII}+/gu;

/** Returns what is equal for texts that are to be taken for equal. Line ends are LF. */
export function casemapped(text: string): string {
  const lines = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  if (!BEYOND_ASCII.test(lines)) return lines.toUpperCase();
  const upper = lines.toUpperCase();
  // JavaScript makes two letters of some: these are left as they are
  const kept =
    upper.length === lines.length
      ? upper
      : lines.replace(RUNS_BEYOND_ASCII, oneByOne).replace(/[a-z]+/g, ascii);
  return kept.normalize('NFD');
}

function ascii(letters: string): string {
  return letters.toUpperCase();
}

function oneByOne(letters: string): string {
  const upper = letters.toUpperCase();
  return upper.length === letters.length ? upper : Array.from(letters, oneLetter).join('');
}

function oneLetter(letter: string): string {
  const upper = letter.toUpperCase();
  return upper.length === letter.length ? upper : letter;
}
