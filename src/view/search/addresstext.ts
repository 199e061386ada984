/**
 * A field with addresses as SEARCH FROM, TO, CC and BCC see it: written anew, without comments, and with
 * quotation marks around names only where they are needed.
 */

import { type Address, parseAddresses } from '../address.ts';

/** Who is named further on is not found. */
const MOST_ADDRESSES = 50_000;

/** `value`, and what comes back: a byte in each character. */
export function addressText(value: string): string {
  const pieces: string[] = [];
  let isInGroup = false;
  let separator = '';
  for (const address of parseAddresses(value, MOST_ADDRESSES)) {
    const { mailbox, domain } = address;
    if (mailbox === undefined) {
      // the blank after the colon is there only if an address follows
      pieces.push(';');
      isInGroup = false;
      separator = ', ';
    } else if (domain === undefined && !isInGroup) {
      isInGroup = true;
      pieces.push(`${separator}${phrase(mailbox)}:`);
      separator = ' ';
    } else {
      pieces.push(separator, written(address));
      separator = ', ';
    }
  }
  return pieces.join('');
}

function written({ name, route = '', mailbox = '', domain = '' }: Address): string {
  const spec = `${quotedIfNeeded(mailbox, '.')}@${domain}`;
  const shown = name === undefined ? '' : `${phrase(name)} `;
  return `${shown}<${route === '' ? '' : `${route}:`}${spec}>`;
}

/** An encoded word may not stand between quotation marks (RFC 2047 §5), so with one there are none. */
function phrase(text: string): string {
  return text.includes('=?') ? text : quotedIfNeeded(text, '');
}

/** Letters of an atom need no marks, and neither do these others. An apostrophe is marked as well. */
function quotedIfNeeded(text: string, others: string): string {
  const isAtom = [...text].every(
    (letter) => /[\w!#$%&'*+\-/=?^`{|}~\x80-\xff]/.test(letter) || others.includes(letter),
  );
  return isAtom && text !== '' ? text : `"${text.replace(/["'\\]/g, '\\$&')}"`;
}
