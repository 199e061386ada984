/** One reading of a message: its packets, decrypted and decompressed -> its content. */
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflate, createInflateRaw } from 'node:zlib';
import { ChangedError, UnsupportedError } from '../openpgp/faults.ts';
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

  constructor(source: PacketSource, findKey: FindSessionKey) {
    this.#source = source;
    this.#findKey = findKey;
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
    yield* contentOf(inflated(value, data, compression), this.#packets);
  }

  async *#decrypted(): AsyncGenerator<Buffer> {
    const decryption = new Decryption(this.#findKey);
    for await (const packets of this.#source()) yield* await decryption.update(packets);
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

async function* inflated(
  first: Buffer,
  rest: AsyncIterable<Buffer>,
  compression: number,
): AsyncGenerator<Buffer> {
  const begin = COMPRESSION[compression];
  if (begin === undefined) {
    for await (const piece of rest) piece.fill(0); // to its end, as above
    throw new UnsupportedError('a compression of another kind');
  }
  const inflate = begin({ chunkSize: INFLATED_BYTES });
  let failure: unknown; // of what comes in
  let isWhole = false;
  async function* compressed() {
    try {
      yield first;
      yield* rest;
      isWhole = true;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  const done = pipeline(Readable.from(compressed()), inflate).catch(() => undefined); // the loop is told too
  try {
    yield* inflate;
  } catch (error) {
    throw failure ?? new ChangedError(error);
  } finally {
    await done;
  }
  // compressed data may say that it has ended before the end has come that verifies it
  if (failure !== undefined) throw failure;
  if (!isWhole) throw new UnsupportedError('compressed data that ends too early');
}
