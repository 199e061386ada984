/**
 * Names in a Maildir. Each path here has one character for each byte of the name (latin1), since names of
 * files need not be UTF-8.
 */
import { join } from 'node:path';

/** Sizes, and what IMAP servers remember of the sealed messages: it would be wrong for those in clear. */
const OF_SERVER = /^(dovecot[.-](?!keywords$).*|maildirsize|courierimapuiddb|courierpop3dsizelist)$/;

/** Tells whether a file beside `cur` and `new` only describes the messages as they are sealed. */
export function isOfServer(name: string): boolean {
  return OF_SERVER.test(name);
}

/** Returns the path for a call of the file system. */
export function pathOf(...names: readonly string[]): Buffer {
  return Buffer.from(join(...names), 'latin1');
}

/** Returns an argument of the command line as a path with one character for each byte. */
export function bytesOf(argument: string): string {
  return Buffer.from(argument).toString('latin1');
}
