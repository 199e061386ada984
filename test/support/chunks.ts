// Cuts bytes into pieces in all ways that stream code must cope with: whole, in chunks, byte by byte.

import fc from 'fast-check';

/** Lengths of pieces. After the last one they begin again. */
export type Cut = readonly number[];

export const WHOLE: Cut = [Number.POSITIVE_INFINITY];
export const BYTE_BY_BYTE: Cut = [1];

/** Random cuts, with empty pieces and with some that are longer than a block of the packet framer. */
export const someCut: fc.Arbitrary<Cut> = fc
  .tuple(
    fc.array(fc.oneof(fc.nat(8), fc.nat(1000), fc.nat(70_000)), { maxLength: 6 }),
    fc.integer({ min: 1, max: 3000 }),
  )
  .map(([lengths, last]) => [...lengths, last]);

export function cut(bytes: Buffer, lengths: Cut): Buffer[] {
  const pieces: Buffer[] = [];
  for (let from = 0, turn = 0; from < bytes.length; turn++) {
    const to = Math.min(from + (lengths[turn % lengths.length] ?? 1), bytes.length);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  return pieces;
}

/**
 * Lends `bytes` piece by piece. Each piece is overwritten once `take` returns, so that keeping one is found
 * out.
 */
export function lend(bytes: Buffer, lengths: Cut, take: (piece: Buffer) => void): void {
  for (const piece of cut(bytes, lengths)) {
    const lent = Buffer.from(piece);
    take(lent);
    lent.fill(0xa5);
  }
}

/** Returns `length` bytes without a pattern, the same each time. */
export function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 0x2545f491;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
