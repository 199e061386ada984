/**
 * OpenPGP packet framing for content of unknown length (RFC 9580 §4.2): full blocks get partial body lengths,
 * and the rest a definite one. Content of less than one block becomes a packet of definite length.
 *
 * Both framers hold at most one block. PacketFramer copies the pieces it is given; KeepingFramer owns them.
 */
import { releaseMemory } from '../core/releasememory.ts';

/** Bytes in a block with a partial length: a power of two, at least 512 (RFC 9580 §4.2.1.4). */
export const BLOCK_BYTES = 65_536;
const PARTIAL_OF_BLOCK = 224 + Math.log2(BLOCK_BYTES);
/** The tag and the longest form of a length. */
const HEAD_BYTES = 6;
/** Room for what usually follows the first bytes of a small packet: a header, a checksum. */
const SPARE_BYTES = 256;

/** Packet Type IDs (RFC 9580 §5). */
export const PKESK = 1;
export const LITERAL_DATA = 11;
export const SEIPD = 18;
export const MDC = 19;

/** Returns the tag octet and the length octets of a packet with a body of `length` bytes. */
export function packetHeader(tag: number, length: number): Buffer {
  return Buffer.concat([Buffer.from([0xc0 | tag]), bodyLength(length)]);
}

function bodyLength(length: number): Buffer {
  if (length < 192) return Buffer.from([length]);
  if (length < 8384) return Buffer.from([((length - 192) >> 8) + 192, (length - 192) & 0xff]);
  const five = Buffer.alloc(5, 0xff);
  five.writeUInt32BE(length, 1);
  return five;
}

export class PacketFramer {
  readonly #tag: number;
  // no larger than the content so far needs, since most messages fill only a small part of a block; the tag
  // and the length go in front of the body, so that all of it is emitted as one piece
  #block: Buffer = Buffer.alloc(0);
  #filled = 0;
  #started = false;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /**
   * Takes bytes of the body. `emit` gets each full block, and must not keep it, since its memory is reused.
   */
  update(bytes: Uint8Array, emit: (piece: Buffer) => void): void {
    let from = 0;
    while (from < bytes.length) {
      if (this.#filled === BLOCK_BYTES) this.#flush(emit);
      const take = Math.min(bytes.length - from, BLOCK_BYTES - this.#filled);
      this.#makeRoom(this.#filled + take);
      const part = take === bytes.length ? bytes : bytes.subarray(from, from + take);
      this.#block.set(part, HEAD_BYTES + this.#filled);
      this.#filled += take;
      from += take;
    }
  }

  /** Ends the packet. `emit` gets the rest of it. */
  final(emit: (piece: Buffer) => void): void {
    this.#makeRoom(this.#filled);
    const length = this.#filled;
    this.#emit(this.#started ? bodyLength(length) : packetHeader(this.#tag, length), emit);
    releaseMemory(this.#block);
  }

  #makeRoom(bytes: number): void {
    if (HEAD_BYTES + bytes <= this.#block.length) return;
    const body = Math.min(BLOCK_BYTES, Math.max(bytes + SPARE_BYTES, 2 * this.#filled));
    const grown = Buffer.allocUnsafe(HEAD_BYTES + body);
    grown.set(this.#block.subarray(0, HEAD_BYTES + this.#filled));
    releaseMemory(this.#block);
    this.#block = grown;
  }

  #flush(emit: (piece: Buffer) => void): void {
    const partial = Buffer.from([PARTIAL_OF_BLOCK]);
    this.#emit(this.#started ? partial : Buffer.concat([Buffer.from([0xc0 | this.#tag]), partial]), emit);
    this.#started = true;
    this.#filled = 0;
  }

  #emit(head: Buffer, emit: (piece: Buffer) => void): void {
    const start = HEAD_BYTES - head.length;
    this.#block.set(head, start);
    emit(this.#block.subarray(start, HEAD_BYTES + this.#filled));
  }
}

/**
 * Frames pieces that belong to the framer from then on: it holds them as they are until their block is full,
 * copies none of their bytes, and frees their memory once their last byte has been emitted.
 */
export class KeepingFramer {
  readonly #tag: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #started = false;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /**
   * Takes a piece, which must be the whole of its memory. `emit` gets each full block, and must not keep it.
   */
  update(piece: Uint8Array, emit: (pieces: readonly Uint8Array[]) => void): void {
    let rest = piece;
    while (this.#heldBytes + rest.length > BLOCK_BYTES) {
      const room = BLOCK_BYTES - this.#heldBytes;
      this.#flush(rest.subarray(0, room), emit);
      rest = rest.subarray(room);
    }
    if (rest.length === 0) return;
    this.#held.push(rest);
    this.#heldBytes += rest.length;
  }

  /** Ends the packet. `emit` gets the rest of it. */
  final(emit: (pieces: readonly Uint8Array[]) => void): void {
    const length = this.#heldBytes;
    emit([this.#started ? bodyLength(length) : packetHeader(this.#tag, length), ...this.#held]);
    for (const piece of this.#held) releaseMemory(piece);
  }

  #flush(last: Uint8Array, emit: (pieces: readonly Uint8Array[]) => void): void {
    const tag = this.#started ? [] : [0xc0 | this.#tag];
    emit([Buffer.from([...tag, PARTIAL_OF_BLOCK]), ...this.#held, last]);
    this.#started = true;
    // of a held piece that began in an earlier block, only this last part is left, so its memory may be freed
    for (const piece of this.#held) releaseMemory(piece);
    this.#held = [];
    this.#heldBytes = 0;
  }
}
