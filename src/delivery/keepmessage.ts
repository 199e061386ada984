/**
 * Message bytes -> the same bytes if they are encrypted to the recipient already, else sealed bytes: for the
 * command `seal`. What has gone into a pipe cannot be taken back, so a message that may be one of these is
 * held in memory until the verdict; a larger one is sealed.
 */
import { CanonicalLines } from '../mime/crlf.ts';
import { HeaderScanner } from '../mime/header.ts';
import { Passthrough } from './passthrough.ts';
import { type SealingOptions, sealMessage } from './sealmessage.ts';

const MOST_HELD_BYTES = 32 * 1024 * 1024;
const ARMOR = '-----BEGIN PGP MESSAGE-----';

export interface KeepingOptions extends SealingOptions {
  /** Tells whether the recipient has one of these keys. Left out: every message is sealed. */
  readonly isTheirs: ((keyIds: ReadonlySet<string>) => boolean) | undefined;
}

/** Yields the message in pieces, with LF line ends. Throws as sealMessage does. */
export async function* keepOrSealMessage(
  message: AsyncIterable<Buffer>,
  options: KeepingOptions,
): AsyncGenerator<Buffer> {
  const { isTheirs, headerPolicy } = options;
  if (isTheirs === undefined || headerPolicy !== 'visible') return yield* sealMessage(message, options);
  const input = message[Symbol.asyncIterator]();
  const judging = new Judging(options.maxHeaderBytes, isTheirs);
  const held: Buffer[] = [];
  let bytes = 0;
  for (let next = await input.next(); !next.done; next = await input.next()) {
    held.push(next.value);
    bytes += next.value.length;
    if (bytes > MOST_HELD_BYTES || !judging.update(next.value))
      return yield* sealMessage(chained(held, input), options);
  }
  const kept = judging.final();
  if (kept === undefined) yield* sealMessage(chained(held, input), options);
  else yield* kept;
}

/** The verdict on one message, which may have LF line ends. */
class Judging {
  readonly #lines = new CanonicalLines();
  readonly #scanner: HeaderScanner;
  readonly #isTheirs: (keyIds: ReadonlySet<string>) => boolean;
  #judge: Passthrough | undefined;
  #judged: Buffer[] = [];
  hasBegun = false;

  constructor(maxHeaderBytes: number, isTheirs: (keyIds: ReadonlySet<string>) => boolean) {
    this.#scanner = new HeaderScanner(maxHeaderBytes);
    this.#isTheirs = isTheirs;
  }

  /** False: the message is to be sealed, whatever follows. */
  update(chunk: Buffer): boolean {
    this.hasBegun = true;
    const bytes = this.#lines.update(chunk);
    if (this.#judge !== undefined) return this.#take(this.#judge, bytes);
    const scan = this.#scanner.update(bytes);
    if (scan.state !== 'complete') return scan.state === 'more';
    this.#judge = Passthrough.of(scan.block, this.#scanner.seen);
    return this.#judge !== undefined && this.#take(this.#judge, this.#scanner.seen);
  }

  #take(judge: Passthrough, bytes: Buffer): boolean {
    if (!judge.update(bytes)) return false;
    if (judge.keyIds === undefined) return true;
    this.#judged.push(judge.take());
    return this.#isTheirs(judge.keyIds);
  }

  get keyIds(): ReadonlySet<string> | undefined {
    return this.#judge?.keyIds;
  }

  /** Lets go of what was judged so far. */
  forget(): void {
    this.#judged = [];
  }

  /** Returns the message if it is to be kept. */
  final(): Buffer[] | undefined {
    return this.#judge?.final() ? this.#judged : undefined;
  }
}

/**
 * Tells whether a message is an encrypted one, whole, and nothing else stands in it: by its packets, whoever
 * has the keys. Keeps nothing of it.
 */
export async function isEncryptedMessage(
  message: AsyncIterable<Buffer>,
  maxHeaderBytes: number,
): Promise<boolean> {
  return (await keysOfEncrypted(message, maxHeaderBytes)) !== undefined;
}

/**
 * Returns the ids of the keys that such a message names, in upper-case hex; undefined if it is none. Reads
 * all of it then. A key that is not named is not among them.
 */
export async function keysOfEncrypted(
  message: AsyncIterable<Buffer>,
  maxHeaderBytes: number,
): Promise<ReadonlySet<string> | undefined> {
  const judging = new Judging(maxHeaderBytes, () => true);
  const input = message[Symbol.asyncIterator]();
  let next = await input.next();
  for (let before = next; !next.done; before = next) {
    next = await input.next();
    // most messages are one piece, and go no further than this
    if (next.done && !judging.hasBegun && !before.value.includes(ARMOR)) return undefined;
    if (!judging.update(before.value)) return undefined;
    judging.forget();
  }
  return judging.final() === undefined ? undefined : judging.keyIds;
}

async function* chained(first: readonly Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
