/**
 * FETCH and UID FETCH (RFC 3501 §6.4.5): what a client asks about sealed messages is answered from what they
 * hold, and all else by the server behind. One command goes there for all messages that have to be opened.
 */
import { type FetchCommand, type FetchItem, isOfContent } from '../imap/fetch.ts';
import { type Fetched, itemOf } from '../imap/response.ts';
import { SyntaxFault, type Value, wordOf } from '../imap/values.ts';
import { segmentsOf, setsOf } from '../imap/write.ts';
import type { MessageView } from '../view/view.ts';
import { openMessages } from './openmessages.ts';
import { type Numbered, type Selected, uidOf } from './selected.ts';
import { isInMetadata, type Metadata, shownItem } from './shown.ts';

/** Tells whether an answer may depend on what messages hold. */
export function asksForContent({ items }: FetchCommand): boolean {
  return items.some(isOfContent);
}

/** Answers all of it but for the tagged line. Throws RefusedError. */
export async function fetchOpened(
  selected: Selected,
  command: FetchCommand,
  by: 'number' | 'uid',
): Promise<void> {
  await selected.ready();
  const asked = withUid(command, by);
  const read = readMessage(selected, command, by);
  if (read !== undefined) return answer(selected, asked, read.fetched, read.known);
  const messages = await answerKnown(selected, asked, command, by);
  await selected.classify(messages);
  const isSealed = ({ uid }: Numbered) => selected.mailbox.kindOf(uid) === 'sealed';
  await fetchStored(
    selected,
    asked,
    messages.filter((each) => !isSealed(each)),
  );
  await fetchSealed(selected, asked, messages.filter(isSealed));
}

/**
 * Returns what is known of the one message of a command, if all is known: who reads a large message asks for
 * a hundred parts of it, and the server behind would have to tell its UID each time.
 */
function readMessage(
  selected: Selected,
  { items, set, modifiers }: FetchCommand,
  by: 'number' | 'uid',
): { fetched: Fetched; known: Known } | undefined {
  const isOfOthers = besideContent(items).length > 1 || marksSeen(items) || modifiers.length > 0;
  if (isOfOthers || !/^\d{1,10}$/.test(set)) return undefined;
  const { mailbox } = selected;
  const number = by === 'number' ? Number(set) : mailbox.numberOf(Number(set));
  const uid = number === undefined ? undefined : mailbox.uidOf(number);
  if (number === undefined || uid === undefined) return undefined;
  const known = knownOf(selected, uid, false);
  const [name, value] = ['UID', `${uid}`].map((text): Value => ({ kind: 'atom', text }));
  return known && name && value && { fetched: { number, items: [{ name, value }] }, known };
}

/**
 * Answers for messages of which all is known that their answer needs. Returns the others, in their order. A
 * command that marks messages as seen is answered later: who asks for that changes them.
 */
async function answerKnown(
  selected: Selected,
  items: readonly FetchItem[],
  { set, modifiers }: FetchCommand,
  by: 'number' | 'uid',
): Promise<Numbered[]> {
  const more = modifiersOf(modifiers);
  const words = marksSeen(items) ? ['UID'] : besideContent(items);
  const others = new Map<number, Numbered>();
  const answered = new Set<number>();
  const fromMetadata = items.every(isInMetadata);
  for (const each of by === 'number' ? [set] : await numbersOfUids(selected, set))
    await selected.fetch(`${each} (${words.join(' ')})${more}`, async (fetched) => {
      const { number } = fetched;
      const uid = uidOf(fetched);
      if (uid === undefined || words.some((word) => itemOf(fetched, word) === undefined)) return false;
      if (answered.has(number) || others.has(number)) return false; // what has changed meanwhile
      const known = marksSeen(items) ? undefined : knownOf(selected, uid, fromMetadata);
      if (known === undefined) others.set(number, { number, uid });
      else {
        answered.add(number);
        if (known.view !== undefined) selected.mailbox.reads(number, uid);
        await answer(selected, items, fetched, known);
      }
      return true;
    });
  return [...others.values()];
}

async function numbersOfUids(selected: Selected, set: string): Promise<string[]> {
  return setsOf(
    await selected.search([
      { kind: 'atom', text: 'UID' },
      { kind: 'atom', text: set },
    ]),
  );
}

/** CHANGEDSINCE (RFC 7162 §3.1.4.1) says which messages; VANISHED is not offered. */
function modifiersOf(modifiers: readonly Value[]): string {
  const [list, extra] = modifiers;
  if (list === undefined) return '';
  const items = list.kind === 'list' ? list.items : [];
  const [name, since] = items;
  if (
    extra !== undefined ||
    items.length !== 2 ||
    wordOf(name) !== 'CHANGEDSINCE' ||
    !/^\d+$/.test(wordOf(since) ?? '')
  )
    throw new SyntaxFault('that modifier is not known here');
  return ` (CHANGEDSINCE ${wordOf(since)})`;
}

/** An answer to a UID command has the UID (RFC 3501 §6.4.8), and one to CHANGEDSINCE the MODSEQ. */
function withUid({ items, modifiers }: FetchCommand, by: 'number' | 'uid'): readonly FetchItem[] {
  const has = (word: string) => items.some((each) => each.kind === 'word' && each.word === word);
  const added: FetchItem[] = [];
  if (by === 'uid' && !has('UID')) added.push({ kind: 'word', word: 'UID' });
  if (modifiers.length > 0 && !has('MODSEQ')) added.push({ kind: 'word', word: 'MODSEQ' });
  return [...added, ...items];
}

/** Has the server behind answer. */
async function fetchStored(
  selected: Selected,
  items: readonly FetchItem[],
  messages: readonly Numbered[],
): Promise<void> {
  const asked = segmentsOf([{ kind: 'list', items: items.map(askedOf) }]);
  for (const set of setsOf(messages.map(({ number }) => number))) {
    const [first = Buffer.alloc(0), ...rest] = asked;
    await selected.ask([Buffer.concat([Buffer.from(`FETCH ${set} `), first]), ...rest], selected.pass);
  }
}

function askedOf(item: FetchItem): Value {
  return item.kind === 'word' ? { kind: 'atom', text: item.word } : item.asked;
}

/** What is known of a message before it is asked for. */
interface Known {
  readonly metadata: Metadata;
  readonly view: MessageView | undefined;
}

function knownOf(selected: Selected, uid: number, fromMetadata: boolean): Known | undefined {
  const metadata = selected.metadataOf(uid);
  const view = fromMetadata ? undefined : selected.viewOf(uid);
  return metadata !== undefined && (fromMetadata || view !== undefined) ? { metadata, view } : undefined;
}

async function fetchSealed(
  selected: Selected,
  items: readonly FetchItem[],
  messages: readonly Numbered[],
): Promise<void> {
  const fromMetadata = items.every(isInMetadata);
  const uids = new Map(messages.map(({ number, uid }) => [number, uid]));
  const isKnown = ({ uid }: Numbered) => knownOf(selected, uid, fromMetadata) !== undefined;
  const known = new Set(messages.filter(isKnown).map(({ number }) => number));
  const more = [...besideContent(items), ...(marksSeen(items) ? ['BODY[]<0.1>'] : [])].join(' ');
  for (const set of setsOf(known))
    await selected.fetch(`${set} (${more})`, async (fetched) => {
      const { number } = fetched;
      const uid = uidOf(fetched);
      if (!known.has(number) || uid === undefined) return false;
      const found = knownOf(selected, uid, fromMetadata);
      if (found !== undefined) await answer(selected, items, fetched, found);
      else {
        known.delete(number); // it is not kept any more, and opened below
        if (itemOf(fetched, 'FLAGS') !== undefined)
          await selected.client.add(`* ${number} FETCH (FLAGS `, storedItem(fetched, 'FLAGS'), ')\r\n');
      }
      return true;
    });
  const failed: Numbered[] = [];
  const unknown = new Map([...uids].filter(([number]) => !known.has(number)));
  await openMessages(selected, {
    uids: unknown,
    beside: more,
    use: fromMetadata ? 'listed' : 'whole',
    async take(fetched, opened) {
      const { number } = fetched;
      if (opened === undefined) failed.push({ number, uid: uids.get(number) ?? 0 });
      else await answer(selected, items, fetched, opened);
    },
  });
  if (failed.length > 0) await fetchStored(selected, items, failed);
}

/** What the server behind is asked for with each message. */
function besideContent(items: readonly FetchItem[]): string[] {
  const words = items.flatMap((each) => (each.kind === 'word' && !isOfContent(each) ? [each.word] : []));
  return [...new Set(['UID', ...words])];
}

/** Asking for one byte does it. */
function marksSeen(items: readonly FetchItem[]): boolean {
  return items.some((each) => each.kind === 'section' && !each.isPeek);
}

/** Items are added up to so many bytes. */
const MOST_TOGETHER_BYTES = 64 * 1024;

/** Large items wait until the client has read enough of those before them: it may ask for any number. */
async function answer(
  selected: Selected,
  items: readonly FetchItem[],
  fetched: Fetched,
  { metadata, view }: Known,
): Promise<void> {
  let pieces: (Buffer | string)[] = [];
  let bytes = 0;
  let before = `* ${fetched.number} FETCH (`;
  const add = async (...written: readonly (Buffer | string)[]) => {
    pieces.push(before, ...written);
    before = ' ';
    for (const each of written) bytes += each.length;
    if (bytes < MOST_TOGETHER_BYTES) return;
    await selected.client.add(...pieces);
    [pieces, bytes] = [[], 0];
  };
  const release = view && selected.opening.caches.held.hold(view);
  try {
    for (const item of items) {
      const shown = shownItem(item, metadata, view);
      if (shown !== undefined) await add(...shown);
      else if (item.kind === 'word') await add(`${item.word} `, storedItem(fetched, item.word));
    }
    // a message that was marked as seen by this command
    const asksForFlags = items.some((each) => each.kind === 'word' && each.word === 'FLAGS');
    if (!asksForFlags && itemOf(fetched, 'FLAGS') !== undefined)
      await add('FLAGS ', storedItem(fetched, 'FLAGS'));
    await selected.client.add(...pieces, ')\r\n');
  } finally {
    release?.();
  }
}

/** Flags, dates and numbers, as the server behind has written them. */
function storedItem(fetched: Fetched, word: string): Buffer {
  const [written = Buffer.alloc(0)] = segmentsOf([itemOf(fetched, word) ?? { kind: 'atom', text: 'NIL' }]);
  return written;
}
