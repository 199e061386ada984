/**
 * What a message holds, while it is not verified: all of it up to a bound. Of a longer one there are hashes
 * of blocks instead. With them it is read a second time, so that what comes out then is what was verified,
 * whoever may write to the file in between.
 */
import { createHash } from 'node:crypto';
import { ChangedError } from '../openpgp/faults.ts';

const BLOCK_BYTES = 256 * 1024;

export class Held {
  readonly #most: number;
  #pieces: Buffer[] | undefined = [];
  readonly #blocks = new Blocks();
  readonly #hashes: Buffer[] = [];
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#most = mostBytes;
  }

  /** Bytes that were taken. */
  get bytes(): number {
    return this.#bytes;
  }

  take(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#pieces === undefined) this.#hash(piece);
    else this.#pieces.push(piece);
    if (this.#pieces === undefined || this.#bytes <= this.#most) return;
    const pieces = this.#pieces;
    this.#pieces = undefined;
    for (const each of pieces) this.#hash(each);
  }

  /** Ends what was taken. Returns all of it, or undefined if it has to be read again. */
  end(): readonly Buffer[] | undefined {
    const last = this.#blocks.rest();
    if (last.length > 0) this.#hashes.push(hashOf(last));
    return this.#pieces;
  }

  /** Yields what is read again, block by block. Throws ChangedError if it is not what was taken. */
  async *checked(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const blocks = new Blocks();
    let n = 0;
    const check = (block: Buffer) => {
      if (this.#hashes[n++]?.equals(hashOf(block)) !== true) throw new ChangedError();
      return block;
    };
    for await (const piece of pieces) for (const block of blocks.take(piece)) yield check(block);
    const last = blocks.rest();
    if (last.length > 0) yield check(last);
    if (n !== this.#hashes.length) throw new ChangedError();
  }

  #hash(piece: Buffer): void {
    for (const block of this.#blocks.take(piece)) this.#hashes.push(hashOf(block));
  }
}

/** Joins pieces to blocks of one length. */
class Blocks {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Returns the blocks that are full now. */
  take(piece: Buffer): Buffer[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < BLOCK_BYTES) return [];
    const all = Buffer.concat(this.#pieces);
    const count = Math.floor(all.length / BLOCK_BYTES);
    const rest = all.subarray(count * BLOCK_BYTES);
    this.#pieces = [rest];
    this.#bytes = rest.length;
    return Array.from({ length: count }, (_, n) => all.subarray(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES));
  }

  /** Returns what is left. */
  rest(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

function hashOf(block: Buffer): Buffer {
  return createHash('sha256').update(block).digest();
}
