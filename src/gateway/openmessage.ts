/**
 * Opens a stored message for a session, in pieces between which the other sessions of its owner have their
 * turns (D73). What may take longer all the same is in README.md.
 */
import { Turns } from '../core/turns.ts';
import { unclosed } from '../imap/input.ts';
import type { Opener } from '../keys/opening.ts';
import { type MessageView, openingView } from '../view/view.ts';
import { type Coming, openStored } from './openstored.ts';
import { type Metadata, metadataOf } from './shown.ts';

/** Whoever types in another session waits for more than one turn. */
const TURN_MS = 2;

export interface OpenedMessage {
  readonly view: MessageView;
  readonly metadata: Metadata;
}

/** Throws as openStored does. */
export async function openMessage(stored: Buffer | Coming, opener: Opener): Promise<OpenedMessage> {
  const turns = new Turns(TURN_MS);
  const work = openingView(await openStored(stored, opener));
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return { view: value, metadata: metadataOf(value) };
    await turns.next();
  }
}

/**
 * Opens what comes, and reads all of its pieces in any case: what follows them belongs to somebody else.
 * Throws as openMessage does.
 */
export async function openComing(coming: Coming, opener: Opener): Promise<OpenedMessage> {
  const pieces = coming.pieces[Symbol.asyncIterator]();
  try {
    return await openMessage({ pieces: unclosed(pieces), bytes: coming.bytes }, opener);
  } finally {
    while ((await pieces.next()).done !== true);
  }
}
