/**
 * OpenPGP packet framing for content of unknown length (RFC 9580 §4.2): full blocks go out
 * as partial body lengths, the rest with a definite one. Content of less than one block
 * becomes a single packet of definite length. Holds at most one block. For pieces that are
 * only lent, and for such as the framer may keep.
 */
import { releaseMemory } from '../core/releasememory.ts';

/** Body bytes per partial length: a power of two, at least 512 (RFC 9580 §4.2.1.4). */
export const BLOCK_BYTES = 65_536;
const PARTIAL_OF_BLOCK = 224 + Math.log2(BLOCK_BYTES);
/** Tag, and the longest form of a length. */
const HEAD_BYTES = 6;
/** What usually follows the first bytes of a small packet: a header, a checksum. */
const SPARE_BYTES = 256;

/** Packet Type IDs (RFC 9580 §5). */
export const PKESK = 1;
export const LITERAL_DATA = 11;
export const SEIPD = 18;
export const MDC = 19;

/** `tag octet, length octets` of a packet whose body is `length` bytes. */
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
  // as large as the content so far wants it, since most messages are far from filling a block; in
  // front of the body is room for what stands before it, so that both go on as one piece
  #block: Buffer = Buffer.alloc(0);
  #filled = 0;
  #started = false;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /** Takes body bytes; gives what is ready to `emit`, which must not keep the piece: it is reused. */
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

  /** Ends the packet. */
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
 * The same for pieces that are the framer's from then on: they are held as they are until their
 * block is full, no byte of them is copied, and they are discarded when their last one is emitted.
 */
export class KeepingFramer {
  readonly #tag: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #started = false;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /** Takes a piece, whole and with memory of its own; `emit` gets one block, not to be kept. */
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

  /** Ends the packet. */
  final(emit: (pieces: readonly Uint8Array[]) => void): void {
    const length = this.#heldBytes;
    emit([this.#started ? bodyLength(length) : packetHeader(this.#tag, length), ...this.#held]);
    for (const piece of this.#held) releaseMemory(piece);
  }

  #flush(last: Uint8Array, emit: (pieces: readonly Uint8Array[]) => void): void {
    const tag = this.#started ? [] : [0xc0 | this.#tag];
    emit([Buffer.from([...tag, PARTIAL_OF_BLOCK]), ...this.#held, last]);
    this.#started = true;
    // what was held is the end of its piece: the beginning went out at once
    for (const piece of this.#held) releaseMemory(piece);
    this.#held = [];
    this.#heldBytes = 0;
  }
}
