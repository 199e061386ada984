/** One reading of a message: its packets, decrypted and decompressed -> its content. */
import type { Transform } from 'node:stream';
import { createInflate, createInflateRaw } from 'node:zlib';
import { mostDecompressed, TOO_LARGE } from '../keys/opening.ts';
import { ChangedError, ExcessError, UnsupportedError } from '../openpgp/faults.ts';
import { Decryption, type FindSessionKey } from './decryption.ts';
import { MessagePackets } from './messagepackets.ts';
import type { PacketSource } from './source.ts';

/** RFC 9580 §9.4, as far as node:zlib has it. */
const COMPRESSION: Readonly<Record<number, (options: { chunkSize: number }) => Transform>> = {
  1: createInflateRaw,
  2: createInflate,
};
const INFLATED_BYTES = 64 * 1024;
/** Pieces of a few bytes are joined, or whoever writes many of them into a message is expensive. */
const MOST_PIECES = 4;

export class Reading {
  readonly #source: PacketSource;
  readonly #findKey: FindSessionKey;
  #packets = new MessagePackets('encrypted');
  #bytes = 0;
  #isInflated = false;

  constructor(source: PacketSource, findKey: FindSessionKey) {
    this.#source = source;
    this.#findKey = findKey;
  }

  /** Whether memory of what comes may still be written to, by the decompression. */
  get isInflated(): boolean {
    return this.#isInflated;
  }

  /** The name that the literal packet has for the content; usually ''. Known at the end. */
  get literalName(): string {
    return this.#packets.literalName;
  }

  /**
   * Yields the content. It is verified only when all of it has come without an error. Throws what the source
   * or the opener throws, or as Decryption does.
   */
  async *content(): AsyncGenerator<Buffer> {
    const data = contentOf(this.#decrypted(), this.#packets);
    const { done, value } = await data.next();
    if (done === true) return;
    const { compression } = this.#packets;
    if (compression === undefined) {
      yield value;
      yield* data;
      return;
    }
    this.#packets = new MessagePackets('compressed');
    this.#isInflated = true;
    const most = () => mostDecompressed(this.#bytes);
    yield* contentOf(inflated(withFirst(value, data), compression, most), this.#packets);
  }

  async *#decrypted(): AsyncGenerator<Buffer> {
    const decryption = new Decryption(this.#findKey);
    for await (const packets of this.#source()) {
      this.#bytes += packets.length;
      yield* await decryption.update(packets);
    }
    yield* decryption.final();
  }
}

/** What has another form than is known here is read to its end all the same: it may have been changed. */
async function* contentOf(pieces: AsyncIterable<Buffer>, packets: MessagePackets): AsyncGenerator<Buffer> {
  let other: unknown;
  for await (const piece of pieces) {
    if (other !== undefined) continue;
    try {
      const content = packets.update(piece);
      if (content.length > MOST_PIECES) yield Buffer.concat(content);
      else yield* content;
    } catch (error) {
      other = error;
    }
  }
  if (other !== undefined) throw other;
  packets.final();
}

async function* withFirst(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** What becomes too large is not decompressed further, but read to its end, as above. */
async function* inflated(
  packets: AsyncIterable<Buffer>,
  compression: number,
  most: () => number,
): AsyncGenerator<Buffer> {
  const begin = COMPRESSION[compression];
  if (begin === undefined) {
    for await (const piece of packets) piece.fill(0); // to its end, as above
    throw new UnsupportedError('a compression of another kind');
  }
  const inflate = begin({ chunkSize: INFLATED_BYTES });
  let failure: unknown; // of what comes in
  let [isTooLarge, isLeft, bytes] = [false, false, 0];
  const fed = feed(inflate, packets, { isUnwanted: () => isTooLarge, isLeft: () => isLeft }).catch(
    (error: unknown) => {
      failure = error;
      inflate.destroy(error as Error);
    },
  );
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      bytes += piece.length;
      isTooLarge ||= bytes > most();
      if (!isTooLarge) yield piece;
    }
    await fed;
  } catch (error) {
    await fed;
    if (failure !== undefined || !isTooLarge) throw failure ?? new ChangedError(error);
  } finally {
    isLeft = true;
    await fed;
  }
  // compressed data may say that it has ended before the end has come that verifies it
  if (failure !== undefined) throw failure;
  if (isTooLarge) throw new ExcessError(TOO_LARGE);
}

interface Feeding {
  /** Tells whether what comes is to be read to its end only. */
  isUnwanted(): boolean;
  /** Tells whether nobody waits for anything any more. */
  isLeft(): boolean;
}

/**
 * Gives pieces to a decompression, and reads what stands behind its end, to the end: other programs leave
 * some bytes there. Not a pipeline, which stops its source when the decompression says that it has ended.
 */
async function feed(inflate: Transform, packets: AsyncIterable<Buffer>, until: Feeding): Promise<void> {
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    const end = () => {
      isOver = true;
      resolve();
    };
    for (const event of ['end', 'error', 'close']) inflate.on(event, end);
  });
  for await (const piece of packets) {
    if (until.isLeft()) return;
    if (isOver || until.isUnwanted()) continue;
    // the call comes back when the piece has been read, or never if it stands behind the end
    await Promise.race([new Promise<void>((read) => inflate.write(piece, () => read())), over]);
  }
  inflate.end();
}
