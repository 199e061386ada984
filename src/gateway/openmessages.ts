/**
 * Has the server behind send messages, and opens them one after the other. A large one is opened while it
 * comes, so that it is never held as it is stored.
 */
import { performance } from 'node:perf_hooks';
import { releaseMemory } from '../core/releasememory.ts';
import { EndedError } from '../imap/input.ts';
import { type Fetched, fetchedOf, type Response } from '../imap/response.ts';
import { isNil, type Segments, type Value } from '../imap/values.ts';
import { setsOf } from '../imap/write.ts';
import { NotNowError, NotOpenedError } from '../keys/opening.ts';
import { type Caches, noteUnopened } from './mailbox.ts';
import { type OpenedMessage, openComing, openMessage } from './openmessage.ts';
import { OnceMoreError } from './openstored.ts';
import { MOST_STORED_BYTES, type Selected } from './selected.ts';

/** What is stored with fewer bytes is collected first. */
export const LARGE_BYTES = 1024 * 1024;
/** Large ones while they come, or all of them when they are there. */
type How = 'coming' | 'collected';
const WHOLE = /BODY\[\] $/i;

export interface Opening {
  /** UIDs of the messages, by their numbers. */
  readonly uids: ReadonlyMap<number, number>;
  /** Items that are asked for with each message. */
  readonly beside: string;
  /** Whether the messages themselves are asked for, or only what lists show. */
  readonly use: 'whole' | 'listed';
  /** Gets each with what was asked beside it; undefined for one that does not open. */
  take(fetched: Fetched, opened: OpenedMessage | undefined): Promise<void>;
}

/** Opens messages, and remembers what lists show of them. Throws RefusedError. */
export async function openMessages(selected: Selected, opening: Opening): Promise<void> {
  const onceMore = await openAs(selected, opening, 'coming');
  if (onceMore.size === 0) return;
  const { collected } = selected.opening.caches;
  await collected.run(() => openAs(selected, { ...opening, uids: onceMore }, 'collected'));
}

type Open = () => Promise<OpenedMessage>;

/** Returns those that only open when they are collected. */
async function openAs(
  selected: Selected,
  { uids, beside, use, take }: Opening,
  how: How,
): Promise<ReadonlyMap<number, number>> {
  const onceMore = new Map<number, number>();
  for (const set of setsOf(uids.keys()))
    await selected.ask([Buffer.from(`FETCH ${set} (${beside} BODY.PEEK[])`)], async (response) => {
      if (response.word !== 'FETCH' || response.number === undefined) return selected.pass(response);
      const begun = performance.now();
      const held = new Held(selected.opening.caches);
      try {
        const { segments, open: large } = await received(selected, response, how, held);
        const fetched = fetchedOf(segments, response.number);
        const uid = uids.get(response.number);
        const whole = fetched && wholeOf(fetched);
        if (fetched === undefined || uid === undefined || whole === undefined)
          return await selected.passSegments(segments);
        if (whole.kind !== 'string') return; // it is gone: another session has removed it
        const stored = whole.bytes;
        const open = large ?? (() => openCollected(stored, selected.opening, how, held));
        const opened = await remembered(selected, { uid, use, begun }, open);
        if (opened === 'once more') onceMore.set(fetched.number, uid);
        else await take(fetched, opened);
      } finally {
        held.release();
      }
    });
  return onceMore;
}

/** A message from when there is room for it until its answer is written. */
class Held {
  readonly #caches: Caches;
  #release: (() => void) | undefined;

  constructor(caches: Caches) {
    this.#caches = caches;
  }

  async open(open: Open): Promise<OpenedMessage> {
    await this.#caches.held.room();
    const opened = await open();
    this.#release = this.#caches.held.hold(opened.view);
    return opened;
  }

  release(): void {
    this.#release?.();
  }
}

/** Collects an answer, but for a large message that is opened while it comes. */
async function received(
  { opening: { opener, caches } }: Selected,
  response: Response,
  how: How,
  held: Held,
): Promise<{ segments: Segments; open: Open | undefined }> {
  let open: Open | undefined;
  const segments = await response.segments(MOST_STORED_BYTES, (text, bytes, pieces) => {
    if (bytes < LARGE_BYTES || !WHOLE.test(text.toString('latin1', text.length - 7))) return undefined;
    if (bytes > MOST_STORED_BYTES) {
      open = () => Promise.reject(new NotOpenedError('it is too large to be opened'));
      return skip(pieces());
    }
    if (how === 'collected') return undefined;
    const coming = () => openComing({ pieces: pieces(), bytes }, opener);
    const opened = caches.large.run(() => held.open(coming));
    open = () => opened;
    return opened.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof EndedError) throw error;
      },
    );
  });
  return { segments, open };
}

async function openCollected(
  stored: Buffer,
  { opener, caches }: Selected['opening'],
  how: How,
  held: Held,
): Promise<OpenedMessage> {
  const open = () =>
    held.open(async () => {
      const opened = await openMessage(stored, opener);
      releaseMemory(stored);
      return opened;
    });
  return how === 'coming' ? caches.collected.run(open) : open(); // which has its turn already
}

async function remembered(
  { opening: { caches, complain }, mailbox }: Selected,
  { uid, use, begun }: { uid: number; use: Opening['use']; begun: number },
  open: Open,
): Promise<OpenedMessage | 'once more' | undefined> {
  const key = mailbox.keyOf(uid);
  try {
    const opened = await open();
    caches.counts?.opened((performance.now() - begun) / 1000, opened.view.size);
    const known = caches.metadata.get(key);
    const metadata = known ?? opened.metadata;
    // a list of thousands would drive out what is read
    if (use === 'whole' || opened.view.size >= LARGE_BYTES) caches.opened.set(key, opened.view);
    caches.metadata.set(key, metadata);
    if (known === undefined) caches.remember?.(key, metadata);
    return { view: opened.view, metadata };
  } catch (error) {
    if (error instanceof OnceMoreError) return 'once more';
    // one message must not keep its owner from the others
    if (!(error instanceof NotOpenedError)) complain('command', error);
    else if (!(error instanceof NotNowError)) noteUnopened(caches, key);
    caches.counts?.add('unopened');
    mailbox.setKind(uid, 'unopened');
    return undefined;
  }
}

async function skip(pieces: AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of pieces) void piece;
}

/** Returns the whole stored message of an answer, or NIL; undefined for an answer to something else. */
function wholeOf({ items }: Fetched): Value | undefined {
  const value = items.find(
    ({ name }) => name.kind === 'section' && name.inside.length === 0 && name.partial === undefined,
  )?.value;
  return value?.kind === 'string' || isNil(value) ? value : undefined;
}
