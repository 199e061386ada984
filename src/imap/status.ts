/** What a client asks of mailboxes with STATUS (RFC 3501 §6.3.10), or with LIST (RFC 5819). */
import { SyntaxFault, type Value, wordOf } from './values.ts';

/** SIZE (RFC 8438) is not among them: the server behind has the sizes of what is stored. */
const ITEMS = new Set(['MESSAGES', 'RECENT', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', 'HIGHESTMODSEQ']);

/** Throws SyntaxFault if a command asks for anything else. `values`: what follows STATUS or LIST. */
export function checkStatus(name: 'STATUS' | 'LIST', values: readonly Value[]): void {
  const items = name === 'STATUS' ? values[1] : returnedStatus(values);
  if (items?.kind !== 'list') return; // the server behind knows what to say
  if (!items.items.every((each) => ITEMS.has(wordOf(each) ?? '')))
    throw new SyntaxFault('that is nothing that can be told of a mailbox here');
}

/** Returns what stands after STATUS in `RETURN (CHILDREN STATUS (MESSAGES))`. */
function returnedStatus(values: readonly Value[]): Value | undefined {
  const [word, options] = values.slice(-2);
  if (wordOf(word) !== 'RETURN' || options?.kind !== 'list') return undefined;
  const at = options.items.findIndex((each) => wordOf(each) === 'STATUS');
  return at === -1 ? undefined : options.items[at + 1];
}
