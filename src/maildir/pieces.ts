/**
 * Bytes on their way to a file, and which of them are ours to release once they are written. Memory
 * is released only after the call that reads it has come back successfully: until then the kernel
 * may still read it.
 */
import { releaseMemory } from '../core/releasememory.ts';

export class Pieces {
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  readonly #owned = new Set<Buffer>();

  add(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      this.#queue.push(piece);
      this.#queuedBytes += piece.length;
    }
  }

  /** Like `add`, for pieces that nobody else has: `release` gives their memory back. */
  addOwned(pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.#owned.add(piece);
    this.add(pieces);
  }

  /** How many bytes were added since the last `take`. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get queue(): readonly Buffer[] {
    return this.#queue;
  }

  /** Empties the queue and returns what was in it. */
  take(): Buffer[] {
    const taken = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return taken;
  }

  /** Gives the memory of those pieces back that are ours. They must have been written. */
  release(pieces: readonly Buffer[]): void {
    for (const piece of pieces) if (this.#owned.delete(piece)) releaseMemory(piece);
  }

  /** Forgets everything. Releases nothing, since a call may be reading it. */
  clear(): void {
    this.take();
    this.#owned.clear();
  }
}

/** The sum of the pieces' lengths as they are now: a released piece has none. */
export function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
