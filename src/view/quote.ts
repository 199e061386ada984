/**
 * Strings of IMAP (RFC 3501 §4.3). A text here has a byte in each character, and so has what comes out: it
 * is written to the connection as latin1. Which form is chosen follows Dovecot.
 */

const MOST_ESCAPES = 4;
/** What Dovecot shows for a NUL in a string: U+FFFD in UTF-8. */
const REPLACEMENT = '\xef\xbf\xbd';
const NEEDS_LITERAL = /[\r\n\x80-\xff]/;

export function nstring(text: string | undefined): string {
  return text === undefined ? 'NIL' : string(text);
}

/** A quoted string, or a literal where that cannot be or would be mostly escapes. */
export function string(text: string): string {
  const clean = text.replaceAll('\0', REPLACEMENT);
  const escapes = clean.match(/["\\]/g)?.length ?? 0;
  if (escapes > MOST_ESCAPES || NEEDS_LITERAL.test(clean)) return literal(clean);
  return escapes === 0 ? `"${clean}"` : `"${clean.replace(/["\\]/g, '\\$&')}"`;
}

/** A text for people, such as a subject or a name: each run of white space is one blank, none at the ends. */
export function display(text: string): string {
  const clean = text.replaceAll('\0', REPLACEMENT);
  const shown = clean.replace(/[\t\r\n ]+/g, ' ').replace(/^ | $/g, '');
  const isPlain = shown === clean && !/["\\\x80-\xff]/.test(shown);
  return isPlain || shown === '' ? `"${shown}"` : literal(shown);
}

function literal(text: string): string {
  return `{${text.length}}\r\n${text}`;
}
