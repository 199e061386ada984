/**
 * How many lines there are in parts of a message. They are counted once, however deep the parts lie in each
 * other.
 */

import { TURN_BYTES } from './canonical.ts';
import type { Range } from './fields.ts';
import type { Part } from './parts.ts';

const LF = 0x0a;

export interface Lines {
  /** Line ends in the body of a part that BODYSTRUCTURE wants to know this of. */
  within(body: Range): number;
}

export function* countLines(bytes: Buffer, root: Part): Generator<undefined, Lines> {
  const places = [...new Set(placesIn(root))].sort((a, b) => a - b);
  const before = new Map<number, number>();
  let count = 0;
  let turn = TURN_BYTES;
  let next = bytes.indexOf(LF);
  for (const place of places) {
    for (; next !== -1 && next < place; next = bytes.indexOf(LF, next + 1)) {
      count++;
      if (next < turn) continue;
      turn = next + TURN_BYTES;
      yield;
    }
    before.set(place, count);
  }
  return { within: ({ start, end }) => (before.get(end) ?? 0) - (before.get(start) ?? 0) };
}

function placesIn(root: Part): number[] {
  const places: number[] = [];
  const pending = [root];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    pending.push(...part.children);
    if (part.kind === 'text' || part.kind === 'message') places.push(part.body.start, part.body.end);
  }
  return places;
}
