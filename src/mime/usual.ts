/**
 * What mail programs write around an encrypted message: the same words each time, which say nothing of what
 * is inside. A part of a kept message may say this in clear, and nothing else (D45 in delivery/README.md).
 */

const WORDS = new Set(
  (
    'a an and asc att attachment code data dat encrypted file gpg gpgol identification information is mail ' +
    'message mime msg noname of openpgp part pgp pgpmime s the this txt version versions'
  ).split(' '),
);
const MOST_CHARS = 80;

/** Tells whether a text, such as a file name or a description, has usual words only. */
export function isUsualText(text: string): boolean {
  if (text.length > MOST_CHARS || !/^[A-Za-z ._/-]*$/.test(text)) return false;
  const words = text.toLowerCase().split(/[ ._/-]+/);
  return words.every((word) => word === '' || WORDS.has(word));
}

/** What Thunderbird, Enigmail and Apple Mail with GPGTools write above the two parts. */
const PREAMBLE = /^This is an OpenPGP\/MIME encrypted message \(RFC (2440|4880|9580) and 3156\)$/;

export function isUsualPreamble(line: string): boolean {
  return PREAMBLE.test(line);
}

/** Apple Mail names itself in a comment. */
const MIME_VERSION = /^1\.0( \((Mac OS X Mail|Apple Message framework) v?[\d.()\\ ]{1,40}\))?$/;

export function isUsualMimeVersion(value: string): boolean {
  return MIME_VERSION.test(value);
}
