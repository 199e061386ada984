/**
 * Bytes that are put into a message before it is sealed, and how they are found again. A message is only
 * ever added to: without the added bytes it is what was received, so that no rule about headers has to be
 * applied backwards (D42 in README.md).
 *
 * Where they are is the name in the literal packet. It is encrypted with the message, and unlike anything in
 * the message it is ours where Sealdir has sealed it. A message that nothing was put into has no name there.
 * In what its sender has encrypted, the sender has written the name too: gpg writes that of the file.
 */

/** Bytes that are put in before the byte at `at` of the message. */
export interface Insertion {
  readonly at: number;
  readonly bytes: Buffer;
}

/** A place in the message as it is inside. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** No more fit into the name of a literal packet, which has at most 255 bytes (RFC 9580 §5.9). */
export const MOST_INSERTIONS = 12;
const NAME = 'sealdir-added:';

/** Yields the start of a message with all insertions, which are in the order of their places, in it. */
export function* withInsertions(start: Buffer, insertions: readonly Insertion[]): Generator<Buffer> {
  let from = 0;
  for (const { at, bytes } of insertions) {
    if (at > from) yield start.subarray(from, at);
    yield bytes;
    from = at;
  }
  yield from === 0 ? start : start.subarray(from);
}

/** Returns what the literal packet is called. */
export function literalNameOf(insertions: readonly Insertion[]): string {
  if (insertions.length === 0) return '';
  let before = 0; // bytes of earlier insertions
  const ranges = insertions.map(({ at, bytes }) => {
    const start = at + before;
    before += bytes.length;
    return `${start}+${bytes.length}`;
  });
  return NAME + ranges.join(',');
}

/** Tells whether a literal packet is called as literalNameOf calls those that something was put into. */
export function isOfInsertions(literalName: string): boolean {
  return literalName.startsWith(NAME);
}

/**
 * Returns what takes away what was put into a message of so many bytes, from each of its pieces in their
 * order. Undefined if the name of its literal packet speaks of places that it does not have: then neither is
 * by us.
 */
export function withoutInsertions(
  literalName: string,
  bytes: number,
): ((piece: Uint8Array) => Uint8Array[]) | undefined {
  const ranges = isOfInsertions(literalName) ? rangesIn(literalName.slice(NAME.length)) : [];
  if (ranges === undefined || (ranges.at(-1)?.end ?? 0) > bytes) return undefined;
  let start = 0; // of the piece
  return (piece) => {
    const left: Uint8Array[] = [];
    const end = start + piece.length;
    let from = start;
    for (const range of ranges) {
      if (range.end <= from || range.start >= end) continue;
      if (range.start > from) left.push(piece.subarray(from - start, range.start - start));
      from = Math.min(range.end, end);
    }
    if (from < end) left.push(piece.subarray(from - start));
    start = end;
    return left;
  };
}

/** Returns undefined if they are not written as literalNameOf writes them. */
function rangesIn(written: string): Range[] | undefined {
  const ranges: Range[] = [];
  let last = 0;
  for (const each of written.split(',')) {
    const [, start, length] = /^(\d{1,10})\+(\d{1,10})$/.exec(each) ?? [];
    const range = { start: Number(start), end: Number(start) + Number(length) };
    if (!(range.start >= last)) return undefined; // NaN too
    ranges.push(range);
    last = range.end;
  }
  return ranges;
}
