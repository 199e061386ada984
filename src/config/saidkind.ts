// The kind of value that says something of single recipients. See kinds.ts.

import { z } from 'zod/v3';
import { asciiDomain, parseAddress } from '../core/address.ts';
import { converted, type Kind, Wrong } from './kinds.ts';

/** A word that is said of an address, or of all in a domain (`@example.com`). */
export interface Said<W extends string> {
  readonly recipient: string;
  readonly word: W;
}

/** A list of `address: word`. */
export function wordsByRecipient<const W extends string>(
  name: string,
  words: readonly W[],
): Kind<readonly Said<W>[]> {
  const allowed = `(write it like "alice@example.com: ${words.at(-1)}" or "@example.com: ${words.at(-1)}", with one of ${words.join(', ')})`;
  const wrong = new Wrong(`is not an address and a word ${allowed}`);
  const element = converted(z.string({ message: wrong.message }), (written): Said<W> | Wrong => {
    const [, recipient = '', after = ''] = /^\s*(.*\S)\s*:\s*(\S*)\s*$/.exec(written) ?? [];
    const word = words.find((each) => each === after);
    const isRecipient = recipient.startsWith('@')
      ? asciiDomain(recipient.slice(1)) !== undefined
      : (parseAddress(recipient)?.domain ?? '') !== '';
    return word !== undefined && isRecipient ? { recipient, word } : wrong;
  });
  return { name, schema: z.array(element, { message: `is not a list of texts ${allowed}` }) };
}
