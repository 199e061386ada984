/** Which messages are sealed anew, and what they become: all that stands around their armor stays. */
import { keysOfEncrypted } from '../../delivery/keepmessage.ts';
import type { Form, Left } from '../../inplace/staging.ts';
import { isSealed } from '../into/contents.ts';
import { armorParts } from './armorparts.ts';
import { Resealer, type ResealParts } from './resealer.ts';

export interface ResealFormParts extends ResealParts {
  /** Ids of the keys that messages are no longer to be sealed to. */
  readonly oldIds: ReadonlySet<string>;
  readonly newIds: ReadonlySet<string>;
}

/** Headers of sealed messages are short; this is what a server takes at most. */
const MOST_HEADER = 4 * 1024 * 1024;
const MOST_HEAD = 256 * 1024;
const OTHER_FORM =
  'it holds something encrypted, which is damaged, not all of the message, or of a form not known here';
const ARMOR = '\n-----BEGIN PGP MESSAGE-----';

export function resealForm(parts: ResealFormParts): Form {
  return {
    seal: (message) => sealedAnew(message, parts),
    async isSealed(message) {
      const ids = await keysOfEncrypted(message, MOST_HEADER);
      return ids !== undefined && [...ids].every((id) => parts.newIds.has(id));
    },
    whyLeft: (message) => whyLeft(message, parts),
  };
}

async function* sealedAnew(message: AsyncIterable<Buffer>, parts: ResealParts): AsyncGenerator<Buffer> {
  const resealer = new Resealer(parts);
  let hasCrlf: boolean | undefined;
  let isEnded = false;
  const lines = (armor: Buffer[]) => (hasCrlf ? armor.map(withCrlf) : armor);
  for await (const { kind, bytes } of armorParts(message)) {
    if (kind === 'armor') {
      hasCrlf ??= bytes[bytes.indexOf('\n') - 1] === 0x0d;
      yield* lines(await resealer.update(bytes));
      continue;
    }
    if (kind === 'after' && !isEnded) {
      isEnded = true;
      yield* lines(await resealer.final());
    }
    yield bytes;
  }
}

function withCrlf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}

/**
 * A message that names no key may be for any. Throws for one that holds something encrypted in a form that is
 * not known here: whoever removes the old key has to know of it.
 */
async function whyLeft(
  message: AsyncIterable<Buffer>,
  { oldIds, newIds }: ResealFormParts,
): Promise<Left | undefined> {
  const watched = new Watched(message);
  const ids = await keysOfEncrypted(watched, MOST_HEADER);
  if (ids === undefined) {
    if (await watched.holdsEncrypted()) throw new Error(OTHER_FORM);
    return 'in clear';
  }
  if (ids.size === 0 || [...ids].some((id) => oldIds.has(id))) return undefined;
  return [...ids].some((id) => newIds.has(id)) ? 'sealed already' : 'for another key';
}

/** Passes a message on, and looks for armor in it. */
class Watched implements AsyncIterable<Buffer> {
  readonly #pieces: AsyncIterator<Buffer>;
  #head = Buffer.alloc(0);
  #last = '\n';
  #hasArmor = false;

  constructor(message: AsyncIterable<Buffer>) {
    this.#pieces = message[Symbol.asyncIterator]();
  }

  /** Whoever reads may stop anywhere: what follows is still there. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return { next: () => this.#next() };
  }

  /** Reads the rest. */
  async holdsEncrypted(): Promise<boolean> {
    for (let next = await this.#next(); !next.done && !this.#hasArmor; next = await this.#next());
    return this.#hasArmor || isSealed(this.#head);
  }

  async #next(): Promise<IteratorResult<Buffer>> {
    const next = await this.#pieces.next();
    if (next.done) return next;
    const text = this.#last + next.value.toString('latin1');
    this.#hasArmor ||= text.includes(ARMOR);
    this.#last = text.slice(-ARMOR.length);
    if (this.#head.length < MOST_HEAD) this.#head = Buffer.concat([this.#head, next.value]);
    return next;
  }
}
