/** Where the packets of a message come from. Some are read twice (D59). */
import { setImmediate as turn } from 'node:timers/promises';
import { releaseMemory } from '../core/releasememory.ts';
import { NotOpenedError } from '../keys/opening.ts';
import { Dearmor } from '../openpgp/dearmor.ts';

/**
 * Yields the binary packets of a message, from their beginning, each time it is called. A piece may be gone
 * when the next one is asked for.
 */
export type PacketSource = () => AsyncIterable<Buffer>;

/** Returns the packets that come from somewhere once. They are kept, as encrypted as they are. */
export function kept(packets: AsyncIterable<Buffer>): PacketSource {
  const coming = packets[Symbol.asyncIterator]();
  const pieces: Buffer[] = [];
  return async function* () {
    for (let n = 0; ; n++) {
      if (n === pieces.length) {
        const { done, value } = await coming.next();
        if (done === true) return;
        pieces.push(value);
      }
      const piece = pieces[n];
      if (piece !== undefined) yield piece;
    }
  };
}

/** Yields pieces that nobody else has, and frees their memory at once (D25). */
export async function* lent(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    yield piece;
    releaseMemory(piece);
  }
}

/** Bytes of a message that are decoded at a time. */
const PIECE_BYTES = 64 * 1024;
/** After so many, some milliseconds, whoever else waits for the event loop has a turn. */
const TURN_BYTES = 8 * PIECE_BYTES;

/** Returns the packets in a message in memory: armor, with or without text around it. */
export function packetsIn(message: Buffer): PacketSource {
  return () => lent(dearmored(message));
}

async function* dearmored(message: Buffer): AsyncGenerator<Buffer> {
  const armor = new Dearmor();
  for (let at = 0; at < message.length; at += PIECE_BYTES) {
    if (at > 0 && at % TURN_BYTES === 0) await turn();
    yield armor.update(message.subarray(at, at + PIECE_BYTES));
  }
  yield armor.final();
  if (!armor.hasBegun) throw new NotOpenedError('it is no sealed message');
  if (!armor.hasEnded || armor.hasMore) throw new NotOpenedError('it is cut off, or more than one');
}
