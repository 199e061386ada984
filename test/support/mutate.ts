// Changes files as an accident or an enemy would: bytes changed, cut out, repeated, moved, taken from another
// file.

import fc from 'fast-check';

interface Change {
  readonly how: 'set' | 'insert' | 'cut' | 'repeat' | 'move' | 'splice';
  /** Places and lengths are shares of the length of the file, so that a change fits any file. */
  readonly at: number;
  readonly length: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
// Mostly short, sometimes most of the file.
const lengthShare = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.02, noNaN: true }), share);

/** Makes one of the files with a few changes or with none. */
export function mutated(files: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const change: fc.Arbitrary<Change> = fc.record({
    how: fc.constantFrom('set', 'set', 'insert', 'cut', 'repeat', 'move', 'splice'),
    at: share,
    length: lengthShare,
    to: share,
    bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 4 }), fc.constantFrom(...files)),
  });
  return fc
    .tuple(fc.constantFrom(...files), fc.array(change, { maxLength: 6 }))
    .map(([file, changes]) => changes.reduce(apply, file));
}

function apply(file: Buffer, { how, at, length, to, bytes }: Change): Buffer {
  const from = Math.floor(at * file.length);
  const end = Math.min(file.length, from + 1 + Math.floor(length * file.length));
  const [head, part, tail] = [file.subarray(0, from), file.subarray(from, end), file.subarray(end)];
  const few = bytes.subarray(0, 4);
  switch (how) {
    case 'set':
      return Buffer.concat([head, few, file.subarray(from + few.length)]);
    case 'insert':
      return Buffer.concat([head, few, part, tail]);
    case 'cut':
      return Buffer.concat([head, tail]);
    case 'repeat':
      return Buffer.concat([head, part, part, tail]);
    case 'move': {
      const rest = Buffer.concat([head, tail]);
      const place = Math.floor(to * rest.length);
      return Buffer.concat([rest.subarray(0, place), part, rest.subarray(place)]);
    }
    case 'splice':
      return Buffer.concat([head, bytes.subarray(Math.floor(to * bytes.length)), tail]);
  }
}
