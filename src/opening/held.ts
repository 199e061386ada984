/**
 * What a message holds, while it is not verified: all of it up to a bound. Of a longer one there are hashes
 * of blocks instead. With them it is read a second time, so that what comes out then is what was verified,
 * whoever may write to the file in between.
 */
import { createHash } from 'node:crypto';
import { releaseMemory } from '../core/releasememory.ts';
import { ChangedError } from '../openpgp/faults.ts';

const BLOCK_BYTES = 256 * 1024;
/** Of a message of which nothing is known; each room has twice the bytes of the one before. */
const FIRST_ROOM_BYTES = 16 * 1024;
const MOST_ROOM_BYTES = 4 * 1024 * 1024;

export class Held {
  readonly #most: number;
  #rooms: Rooms | undefined;
  readonly #blocks = new Blocks();
  readonly #hashes: Buffer[] = [];
  #bytes = 0;

  /** If no more than `expectedBytes` come, they lie in one piece of memory. */
  constructor(mostBytes: number, expectedBytes?: number) {
    this.#most = mostBytes;
    this.#rooms = new Rooms(expectedBytes ?? FIRST_ROOM_BYTES);
  }

  /** Bytes that were taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a piece; `isGiven`: with its memory, when a piece in other memory has come. */
  take(piece: Buffer, isGiven: boolean): void {
    this.#bytes += piece.length;
    if (this.#rooms === undefined) return this.#hash(piece);
    if (this.#bytes <= this.#most) return this.#rooms.add(piece, isGiven);
    const held = this.#rooms.all();
    this.#rooms = undefined;
    for (const each of [...held, piece]) this.#hash(each);
  }

  /** Ends what was taken. Returns all of it, or undefined if it has to be read again. */
  end(): readonly Buffer[] | undefined {
    const last = this.#blocks.rest();
    if (last.length > 0) this.#hashes.push(hashOf(last));
    return this.#rooms?.all();
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

/**
 * Pieces that are copied one after the other, so that the memory of each is there for the next: to touch
 * memory for the first time costs more than to decrypt into it.
 */
class Rooms {
  readonly #full: Buffer[] = [];
  #room: Buffer;
  #filled = 0;
  #last: Buffer | undefined;

  constructor(firstBytes: number) {
    this.#room = Buffer.allocUnsafeSlow(firstBytes);
  }

  add(piece: Buffer, isGiven: boolean): void {
    for (let rest = piece; rest.length > 0; ) {
      if (this.#filled === this.#room.length) this.#grow();
      const part = rest.subarray(0, this.#room.length - this.#filled);
      this.#room.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
    }
    // several pieces may lie in the same memory, one after the other
    if (this.#last !== undefined && this.#last.buffer !== piece.buffer) releaseMemory(this.#last);
    this.#last = isGiven ? piece : undefined;
  }

  /** Returns all of it. */
  all(): Buffer[] {
    const last = this.#room.subarray(0, this.#filled);
    return last.length > 0 ? [...this.#full, last] : this.#full;
  }

  #grow(): void {
    if (this.#filled > 0) this.#full.push(this.#room);
    const bytes = Math.min(2 * this.#room.length, MOST_ROOM_BYTES);
    this.#room = Buffer.allocUnsafeSlow(Math.max(bytes, FIRST_ROOM_BYTES));
    this.#filled = 0;
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
