/**
 * Opens a message that is small as it is stored, at once. If it is compressed, and large inside, it is handed
 * over to the thread as soon as that shows.
 */
import { releaseMemory } from '../core/releasememory.ts';
import type { Opener } from '../keys/opening.ts';
import { BeyondError } from '../opening/open.ts';
import { openView } from '../view/view.ts';
import { LARGE_BYTES, type LargeMessages, type OpenedMessage } from './largemessages.ts';
import { openStored } from './openstored.ts';
import { metadataOf } from './shown.ts';

/** `stored` is not to be used afterwards. Throws NotOpenedError, or what the opener or the thread throws. */
export async function openSmall(
  stored: Buffer,
  opener: Opener,
  large: Pick<LargeMessages, 'open'>,
): Promise<OpenedMessage> {
  let inside: Buffer;
  try {
    inside = await openStored(stored, opener, LARGE_BYTES);
  } catch (error) {
    if (!(error instanceof BeyondError)) throw error;
    return large.open(whole(stored), opener);
  }
  const view = openView(inside);
  releaseMemory(stored);
  return { view, metadata: metadataOf(view) };
}

async function* whole(stored: Buffer): AsyncGenerator<Buffer> {
  yield stored;
}
