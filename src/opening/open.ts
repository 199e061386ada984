/**
 * Opens messages (D59): nothing comes out before all of a message is verified, and what has to be held of it
 * has a bound. What is not known natively is opened by the library, as a whole.
 */
import { NotOpenedError, type Opener, type SessionKey } from '../keys/opening.ts';
import { ChangedError, ExcessError, UnsupportedError } from '../openpgp/faults.ts';
import { Held } from './held.ts';
import { Reading } from './reading.ts';
import type { PacketSource } from './source.ts';

export interface Opened {
  readonly bytes: number;
  /** The name that its literal packet has for what it holds; usually ''. */
  readonly literalName: string;
  /**
   * Yields what the message holds; once. All of it has been verified. Throws NotOpenedError, or what the
   * source throws, if the source is another one by now.
   */
  pieces(): AsyncIterable<Uint8Array>;
  /** All of it, if it lies in one piece of memory, which belongs to whoever has opened it. */
  readonly whole?: Buffer;
}

export interface OpenLimits {
  /** Bytes that are held until they are verified. Whatever is longer is read twice. */
  readonly mostHeld?: number;
  /** Bytes that may come out. */
  readonly most?: number;
  /** Bytes that are expected to come out at most, if that is known. */
  readonly expected?: number;
}

const MOST_HELD = 32 * 1024 * 1024;

/** Resolves when the message is verified. Throws NotOpenedError, or what source or opener throws. */
export async function openPackets(
  source: PacketSource,
  opener: Opener,
  { mostHeld = MOST_HELD, expected, most = Number.POSITIVE_INFINITY }: OpenLimits = {},
): Promise<Opened> {
  let found: Promise<SessionKey> | undefined; // nobody is asked twice
  const findKey = (sealed: readonly Uint8Array[]) => {
    found ??= opener.sessionKeyOf(sealed);
    return found;
  };
  const erase = () => found?.then(({ key }) => key.fill(0)).catch(() => undefined);
  const held = new Held(mostHeld, expected);
  const reading = new Reading(source, findKey);
  try {
    for await (const piece of reading.content()) {
      held.take(piece, !reading.isInflated);
      if (held.bytes > most) throw new ExcessError('it is too large');
    }
  } catch (error) {
    if (error instanceof UnsupportedError)
      return await openByLibrary(source, { sessionKeyOf: findKey }).finally(erase);
    await erase();
    throw inWords(error);
  }
  const { bytes } = held;
  const { literalName } = reading;
  const pieces = held.end();
  const again = () => held.checked(new Reading(source, findKey).content());
  if (pieces === undefined) return { bytes, literalName, pieces: () => finished(again(), erase) };
  await erase();
  const [whole, more] = pieces;
  return {
    ...{ bytes, literalName, pieces: () => inTurn(pieces) },
    ...(whole !== undefined && more === undefined && { whole }),
  };
}

async function openByLibrary(source: PacketSource, opener: Opener): Promise<Opened> {
  const { decryptPackets } = await import('../keys/libraryopening.ts'); // most messages do without it
  const { content, literalName } = await decryptPackets(source(), opener);
  const whole = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return { bytes: whole.length, literalName, pieces: () => inTurn([whole]), whole };
}

async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function* finished(
  pieces: AsyncIterable<Uint8Array>,
  end: () => Promise<unknown> | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    const isOther = error instanceof UnsupportedError; // it was not, the first time
    throw inWords(isOther ? new ChangedError(error) : error);
  } finally {
    await end();
  }
}

function inWords(error: unknown): unknown {
  return error instanceof ChangedError || error instanceof ExcessError
    ? new NotOpenedError(error.message, { cause: error })
    : error;
}
