/**
 * A set of hashes in 48 bits, for the recipients that one copy answers: a Bloom filter with eight bits for
 * each hash. It never misses a member. It takes another hash for a member once in a million times if it has
 * one member, once in 1,500 if it has three, once in 75 if it has five, and mostly if it has twenty.
 */

/** A whole number below 2^48. */
export type Sketch = number;

const HALF_BITS = 24;
const HALF = 2 ** HALF_BITS;
const BITS_PER_MEMBER = 8;

/** Returns the set of these hashes, of which the first eight bytes count. */
export function sketchOf(hashes: readonly Uint8Array[]): Sketch {
  let low = 0;
  let high = 0;
  for (const hash of hashes) {
    for (const byte of hash.subarray(0, BITS_PER_MEMBER)) {
      const bit = byte % (2 * HALF_BITS);
      if (bit < HALF_BITS) low |= 1 << bit;
      else high |= 1 << (bit - HALF_BITS);
    }
  }
  return high * HALF + low;
}

/** Returns the set with the members of both. */
export function union(one: Sketch, other: Sketch): Sketch {
  return (highOf(one) | highOf(other)) * HALF + (lowOf(one) | lowOf(other));
}

/** Whether every member of `part` is in `whole`. */
export function covers(whole: Sketch, part: Sketch): boolean {
  return union(whole, part) === whole;
}

function highOf(sketch: Sketch): number {
  return Math.floor(sketch / HALF);
}

function lowOf(sketch: Sketch): number {
  return sketch % HALF;
}
