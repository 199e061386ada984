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
      isInGroup = false;
      pieces.push(';');
      separator = ', ';
    } else if (domain === undefined && !isInGroup) {
      isInGroup = true;
      pieces.push(`${separator}${quotedIfNeeded(mailbox, '.')}: `);
      separator = '';
    } else {
      pieces.push(separator, written(address));
      separator = ', ';
    }
  }
  return pieces.join('');
}

function written({ name, route = '', mailbox = '', domain = '' }: Address): string {
  const spec = `${quotedIfNeeded(mailbox, '.')}@${domain}`;
  const shown = name === undefined ? '' : `${quotedIfNeeded(name, '')} `;
  return `${shown}<${route === '' ? '' : `${route}:`}${spec}>`;
}

/** Letters of an atom need no marks, and neither do these others. */
function quotedIfNeeded(text: string, others: string): string {
  const isAtom = [...text].every(
    (letter) => /[\w!#$%&'*+\-/=?^`{|}~\x80-\xff]/.test(letter) || others.includes(letter),
  );
  return isAtom && text !== '' ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
