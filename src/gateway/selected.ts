/**
 * The selected mailbox of a session, and what its commands need of the server behind. Messages are asked for
 * by their numbers and never with a UID command, so that no EXPUNGE comes in between and the numbers stay
 * what they are (RFC 3501 §7.4.1).
 */
import { type Fetched, fetchedOf, itemOf, numbersOf } from '../imap/response.ts';
import { type Segments, type Value, wordOf } from '../imap/values.ts';
import { segmentsOf, setsOf } from '../imap/write.ts';
import type { Opener } from '../keys/opening.ts';
import type { MessageView } from '../view/view.ts';
import { type Caches, isUnopened, type Mailbox } from './mailbox.ts';
import type { Output } from './output.ts';
import type { Metadata } from './shown.ts';
import type { Answer, Sink, Upstream } from './upstream.ts';

/** A message by its number, which is true as long as the command goes on, and its UID. */
export interface Numbered {
  readonly number: number;
  readonly uid: number;
}

export interface SelectedParts {
  readonly client: Output;
  readonly upstream: Upstream;
  readonly opener: Opener;
  readonly caches: Caches;
  /** Passes a response on to the client. */
  readonly pass: Sink;
  complain(what: 'command', error: unknown): void;
}

/** The server behind has refused a command of ours. The client gets its words. */
export class RefusedError extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(answer.text);
    this.answer = answer;
  }
}

/** A stored message is at most as large; a larger one is shown as it is stored. */
export const MOST_STORED_BYTES = 512 * 1024 * 1024;

export class Selected {
  readonly mailbox: Mailbox;
  readonly #parts: SelectedParts;
  #told: Answer | undefined;

  constructor(mailbox: Mailbox, parts: SelectedParts) {
    this.mailbox = mailbox;
    this.#parts = parts;
  }

  get client(): Output {
    return this.#parts.client;
  }

  get opening(): Pick<SelectedParts, 'opener' | 'caches' | 'complain'> {
    return this.#parts;
  }

  get pass(): Sink {
    return this.#parts.pass;
  }

  /**
   * How a command of the client has ended: in the words of the server behind if they have a code, such as
   * EXPUNGEISSUED (RFC 5530).
   */
  completed(name: string): Answer {
    return this.#told ?? { word: 'OK', text: `OK ${name} completed` };
  }

  /** Sends a command of ours. Throws RefusedError unless the answer is OK. */
  async ask(segments: Segments, sink: Sink): Promise<Answer> {
    const answer = await this.#parts.upstream.command(segments, sink);
    if (answer.word !== 'OK') throw new RefusedError(answer);
    if (answer.text.startsWith('OK [')) this.#told ??= answer;
    return answer;
  }

  /**
   * Asks for items of messages. `take` tells whether it wants an answer: false for what has come unasked,
   * which is for the client, as is what has a form that nobody knows.
   */
  async fetch(what: string, take: (fetched: Fetched) => Promise<boolean>): Promise<void> {
    await this.ask([Buffer.from(`FETCH ${what}`)], async (response) => {
      if (response.word !== 'FETCH' || response.number === undefined) return this.pass(response);
      const segments = await response.segments(MOST_STORED_BYTES);
      const fetched = fetchedOf(segments, response.number);
      if (fetched === undefined || !(await take(fetched))) await this.passSegments(segments);
    });
  }

  /** Returns the numbers of messages. */
  async search(values: readonly Value[], charset?: string): Promise<number[]> {
    const numbers: number[] = [];
    const head = charset === undefined ? 'SEARCH' : `SEARCH CHARSET ${charset}`;
    await this.ask(segmentsOf([{ kind: 'atom', text: head }, ...values]), async (response) => {
      if (response.word !== 'SEARCH') return this.pass(response);
      for (const number of numbersOf(response.line)) numbers.push(number);
    });
    return numbers;
  }

  /** Returns the messages of a set of numbers, in their order. `modifiers` may leave some out. */
  async numbered(set: string, modifiers = ''): Promise<Numbered[]> {
    const found: Numbered[] = [];
    await this.fetch(`${set} (UID)${modifiers}`, async (fetched) => {
      const uid = uidOf(fetched);
      if (uid === undefined) return false;
      found.push({ number: fetched.number, uid });
      return fetched.items.length === 1 || modifiers !== '';
    });
    return found;
  }

  /** Finds out which messages are sealed, as far as it is not known. */
  async classify(messages: readonly Numbered[]): Promise<void> {
    const { mailbox } = this;
    for (const { uid } of messages)
      if (this.metadataOf(uid) !== undefined) mailbox.setKind(uid, 'sealed');
      else if (mailbox.kindOf(uid) === undefined && isUnopened(this.#parts.caches, mailbox.keyOf(uid)))
        mailbox.setKind(uid, 'unopened');
    const unknown = messages.filter(({ uid }) => mailbox.kindOf(uid) === undefined);
    const uids = new Map(unknown.map(({ number, uid }) => [number, uid]));
    for (const set of setsOf(uids.keys()))
      await this.fetch(`${set} (BODYSTRUCTURE)`, async (fetched) => {
        const structure = itemOf(fetched, 'BODYSTRUCTURE');
        const uid = uids.get(fetched.number);
        if (structure === undefined || uid === undefined) return false;
        mailbox.setKind(uid, isSealedStructure(structure) ? 'sealed' : 'plain');
        return true;
      });
  }

  /** Resolves when it is known what former logins have remembered. */
  async ready(): Promise<void> {
    await this.#parts.caches.ready;
  }

  metadataOf(uid: number): Metadata | undefined {
    return this.#parts.caches.metadata.get(this.mailbox.keyOf(uid));
  }

  viewOf(uid: number): MessageView | undefined {
    return this.#parts.caches.opened.get(this.mailbox.keyOf(uid));
  }

  /** Passes a response on that was read already. */
  async passSegments(segments: Segments): Promise<void> {
    const pieces = segments.flatMap((each, n) => {
      const next = segments[n + 1];
      if (n % 2 === 1) return [each];
      return next === undefined ? [each, '\r\n'] : [each, `{${next.length}}\r\n`];
    });
    for (const piece of pieces) await this.client.add(piece);
  }
}

export function uidOf(fetched: Fetched): number | undefined {
  const value = itemOf(fetched, 'UID');
  const uid = value?.kind === 'atom' ? Number(value.text) : Number.NaN;
  return Number.isSafeInteger(uid) ? uid : undefined;
}

/** Tells whether a BODYSTRUCTURE says `multipart/encrypted`: parts, then the subtype (RFC 3501 §7.4.2). */
function isSealedStructure(structure: Value): boolean {
  if (structure.kind !== 'list') return false;
  const subtype = structure.items.find((each) => each.kind !== 'list');
  const isMultipart = structure.items[0]?.kind === 'list';
  const text = subtype?.kind === 'string' ? subtype.bytes.toString('latin1') : wordOf(subtype);
  return isMultipart && text?.toUpperCase() === 'ENCRYPTED';
}
