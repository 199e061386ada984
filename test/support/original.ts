// The bytes that were received, from those that are inside.

import { withoutInsertions } from '../../src/mime/insertions.ts';

/** Undefined if the name speaks of places that the message does not have. */
export function originalOf(pieces: readonly Uint8Array[], literalName: string): Uint8Array[] | undefined {
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  const take = withoutInsertions(literalName, bytes);
  return take && pieces.flatMap(take);
}
