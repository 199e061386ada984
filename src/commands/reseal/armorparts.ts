/** A sealed message as it is read: what stands above its armor, the armor, and what stands below it. */

const BEGIN = '\n-----BEGIN PGP MESSAGE-----';
const END = '\n-----END PGP MESSAGE-----';
const LF = '\n';

export interface Part {
  readonly kind: 'before' | 'armor' | 'after';
  readonly bytes: Buffer;
}

/**
 * Yields all bytes of a message that is judged to be a sealed one, so that its first armor is its only one:
 * `before` is one piece, and `armor` is whole lines at its two ends. Throws if there is no armor.
 */
export async function* armorParts(message: AsyncIterable<Buffer>): AsyncGenerator<Part> {
  let held: Buffer = Buffer.alloc(0);
  let kind: Part['kind'] = 'before';
  for await (const piece of message) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    if (kind === 'before') {
      const at = beginOf(held);
      if (at === undefined) continue;
      yield { kind, bytes: held.subarray(0, at) };
      held = held.subarray(at);
      kind = 'armor';
    }
    if (kind === 'armor') {
      const end = endOf(held);
      // the end of what is held may be the beginning of the last line
      const take = end ?? Math.max(0, held.lastIndexOf(LF));
      if (take > 0) yield { kind, bytes: held.subarray(0, take) };
      held = held.subarray(take);
      if (end === undefined) continue;
      kind = 'after';
    }
    yield { kind, bytes: held };
    held = Buffer.alloc(0);
  }
  if (kind !== 'after') throw new Error('its encrypted part is missing, or cut off');
}

/** Returns where the first line of the armor begins, once it is whole. */
function beginOf(bytes: Buffer): number | undefined {
  const ends = [bytes.indexOf('\n\n'), bytes.indexOf('\n\r\n')].filter((at) => at !== -1);
  if (ends.length === 0) return undefined;
  const at = bytes.indexOf(BEGIN, Math.min(...ends));
  return at === -1 || bytes.indexOf(LF, at + BEGIN.length) === -1 ? undefined : at + 1;
}

/** Returns where the last line of the armor has ended. */
function endOf(bytes: Buffer): number | undefined {
  const at = bytes.indexOf(END);
  const end = at === -1 ? -1 : bytes.indexOf(LF, at + END.length);
  return end === -1 ? undefined : end + 1;
}
