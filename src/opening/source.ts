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
/** After so many, a millisecond or less, whoever else waits for the event loop has a turn. */
const TURN_BYTES = PIECE_BYTES;

/** A message in pieces, from its beginning each time. */
export type MessagePieces = () => Iterable<Buffer> | AsyncIterable<Buffer>;

/** Returns the packets in a message: armor, with or without text around it. */
export function packetsIn(message: Buffer | MessagePieces): PacketSource {
  return () => lent(dearmored(typeof message === 'function' ? message() : [message]));
}

async function* dearmored(pieces: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const armor = new Dearmor();
  let bytes = 0;
  for await (const piece of pieces)
    for (let at = 0; at < piece.length; at += PIECE_BYTES) {
      if (bytes >= TURN_BYTES) {
        await turn();
        bytes = 0;
      }
      const part = piece.subarray(at, at + PIECE_BYTES);
      bytes += part.length;
      yield armor.update(part);
    }
  yield armor.final();
  if (!armor.hasBegun) throw new NotOpenedError('it is no sealed message');
  if (!armor.hasEnded || armor.hasMore) throw new NotOpenedError('it is cut off, or more than one');
}
