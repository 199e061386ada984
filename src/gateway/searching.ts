/**
 * SEARCH and UID SEARCH (RFC 3501 §6.4.4). Keys about the text of messages are answered from what sealed
 * messages hold; all others, and these too for messages that are not sealed, by the server behind. A message
 * is opened only if the other keys leave it in question, and what lists show of it is not enough.
 */

import { Turns } from '../core/turns.ts';
import { itemOf } from '../imap/response.ts';
import { isAboutText, type SearchCommand, type SearchTree, type TextKey, valuesOf } from '../imap/search.ts';
import { wordOf } from '../imap/values.ts';
import { setsOf } from '../imap/write.ts';
import { isContentKey, matchesHeader, matchesKey, type SearchKey } from '../view/search/search.ts';
import type { MessageView } from '../view/view.ts';
import { searchKeyOf } from './matching.ts';
import type { OpenedMessage } from './openmessage.ts';
import { type Opening, openMessages } from './openmessages.ts';
import type { Numbered, Selected } from './selected.ts';
import type { Metadata } from './shown.ts';

type Numbers = ReadonlySet<number>;

/** Answers all of it but for the tagged line. Throws RefusedError. */
export async function searchOpened(
  selected: Selected,
  command: SearchCommand,
  by: 'number' | 'uid',
): Promise<void> {
  await selected.ready();
  const all = await selected.search([{ kind: 'atom', text: 'ALL' }]);
  const search = new Search(selected, command.charset);
  const found = [...(await search.find(command.tree, new Set(all)))].sort((a, b) => a - b);
  const numbers = by === 'number' ? found : (await search.numbered(found)).map(({ uid }) => uid);
  const modseq = command.asksForModseq ? await highestModseq(selected, found) : [];
  await selected.client.line(['* SEARCH', ...numbers, ...modseq].join(' '));
}

/** Returns what stands at the end of the answer; nothing is said if nothing is found. */
async function highestModseq(selected: Selected, found: readonly number[]): Promise<string[]> {
  let highest = -1n;
  for (const set of setsOf(found))
    await selected.fetch(`${set} (MODSEQ)`, async (fetched) => {
      const value = itemOf(fetched, 'MODSEQ');
      const text = value?.kind === 'list' ? wordOf(value.items[0]) : undefined;
      if (text === undefined || !/^\d{1,19}$/.test(text)) return false;
      const modseq = BigInt(text);
      if (modseq > highest) highest = modseq;
      return fetched.items.length === 1;
    });
  return highest < 0n ? [] : [`(MODSEQ ${highest})`];
}

class Search {
  readonly #selected: Selected;
  readonly #charset: string | undefined;

  constructor(selected: Selected, charset: string | undefined) {
    this.#selected = selected;
    this.#charset = charset;
  }

  /** Returns those of `within` that a tree finds. */
  async find(tree: SearchTree, within: Numbers): Promise<Numbers> {
    if (within.size === 0) return within;
    if (!isAboutText(tree)) return both(within, await this.#stored(tree));
    switch (tree.kind) {
      case 'and': {
        // what the server behind can answer comes first
        const order = [...tree.all].sort((a, b) => Number(isAboutText(a)) - Number(isAboutText(b)));
        let left = within;
        for (const each of order) left = await this.find(each, left);
        return left;
      }
      case 'or': {
        const either = await this.find(tree.either, within);
        return new Set([...either, ...(await this.find(tree.other, without(within, either)))]);
      }
      case 'not':
        return without(within, await this.find(tree.tree, within));
      case 'opened':
        return this.#opened(tree, tree.key, within);
      case 'stored':
        return both(within, await this.#stored(tree));
      default:
        return tree satisfies never;
    }
  }

  async numbered(numbers: Iterable<number>): Promise<Numbered[]> {
    const found: Numbered[] = [];
    for (const set of setsOf(numbers))
      for (const each of await this.#selected.numbered(set)) found.push(each);
    return found;
  }

  async #stored(tree: SearchTree): Promise<Numbers> {
    return new Set(await this.#selected.search(valuesOf(tree), this.#charset));
  }

  async #opened(tree: SearchTree, key: TextKey, within: Numbers): Promise<Numbers> {
    const judge = judgeOf(searchKeyOf(key), this.#selected);
    const messages = await this.numbered(within);
    await this.#selected.classify(messages);
    const isSealed = ({ uid }: Numbered) => this.#selected.mailbox.kindOf(uid) === 'sealed';
    const found = new Set<number>();
    const failed: number[] = [];
    const turns = new Turns();
    await this.#look(messages.filter(isSealed), judge, async (number, matches) => {
      await turns.next();
      if (matches === undefined) failed.push(number);
      else if (matches) found.add(number);
    });
    const stored = new Set([
      ...messages.filter((each) => !isSealed(each)).map(({ number }) => number),
      ...failed,
    ]);
    if (stored.size > 0) for (const each of both(stored, await this.#stored(tree))) found.add(each);
    return found;
  }

  /** Gives `take` undefined for what does not open. Opens messages one after the other. */
  async #look(
    messages: readonly Numbered[],
    { use, known, opened }: Judge,
    take: (number: number, matches: boolean | undefined) => Promise<void>,
  ): Promise<void> {
    const uids = new Map<number, number>();
    for (const { number, uid } of messages) {
      const matches = known(uid);
      if (matches === undefined) uids.set(number, uid);
      else await take(number, matches);
    }
    await openMessages(this.#selected, {
      ...{ uids, beside: 'UID', use },
      take: ({ number }, message) => take(number, message && opened(message)),
    });
  }
}

/** How messages are held against a key. */
interface Judge {
  readonly use: Opening['use'];
  /** Returns undefined if the message has to be opened. */
  known(uid: number): boolean | undefined;
  opened(message: OpenedMessage): boolean;
}

/** What lists show is enough for a key that is not about the text. */
function judgeOf(wanted: SearchKey, selected: Selected): Judge {
  const known = <T>(found: T | undefined, matches: (found: T) => boolean) => found && matches(found);
  if (isContentKey(wanted)) {
    const matches = (view: MessageView) => matchesKey(view, wanted);
    return {
      use: 'whole',
      known: (uid) => known(selected.viewOf(uid), matches),
      opened: ({ view }) => matches(view),
    };
  }
  const matches = (metadata: Metadata) => matchesHeader(metadata, wanted);
  return {
    use: 'listed',
    known: (uid) => known(selected.metadataOf(uid), matches),
    opened: ({ metadata }) => matches(metadata),
  };
}

function both(some: Numbers, others: Numbers): Numbers {
  return new Set([...some].filter((each) => others.has(each)));
}

function without(some: Numbers, others: Numbers): Numbers {
  return new Set([...some].filter((each) => !others.has(each)));
}
