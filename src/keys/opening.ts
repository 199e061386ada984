/** What all who open messages have in common: whoever finds session keys, limits, and why it did not open. */
import { readSealedHead } from '../openpgp/openpkesk.ts';

/** Says why a message cannot be opened, in the end of a sentence for the terminal. */
export class NotOpenedError extends Error {}

/** Whoever has the key refuses, or has not got it at the moment: the message may open later. */
export class NotNowError extends NotOpenedError {}

/** Session keys that are tried with a key: a message may have any number of them that name nobody. */
export const MOST_TRIES = 256;

/** Bytes that compressed content may become, whatever its size, and how many times its size it may. */
const MOST_DECOMPRESSED = 128 * 1024 * 1024;
const MOST_EXPANSION = 100;

/** Returns how many bytes a message may become that has so many. */
export function mostDecompressed(sealedBytes: number): number {
  return Math.max(MOST_DECOMPRESSED, MOST_EXPANSION * sealedBytes);
}

export const TOO_LARGE = 'what is compressed in it is far larger than the message: it may be made to do harm';

export interface SessionKey {
  /** Symmetric algorithm ID; none where the encrypted data names it. */
  readonly cipher: number | undefined;
  readonly key: Uint8Array;
}

/** Whoever finds out session keys. */
export interface Opener {
  /**
   * Takes bodies of session-key packets. Resolves to the key that one of them has, which whoever asks
   * overwrites afterwards. Throws NotOpenedError.
   */
  sessionKeyOf(sealed: readonly Uint8Array[]): Promise<SessionKey>;
}

/** What opens messages, and its name in a sentence. */
export interface NamedOpener extends Opener {
  readonly name: string;
  /** Ends what it has open, such as a connection, and erases its secrets as far as they are its own. */
  close(): void;
}

/** Lists whom a message is for, given the bodies of its session-key packets. */
export function listOf(sealed: readonly Uint8Array[]): string {
  const ids = sealed.map((body) => readSealedHead(body)?.keyId ?? 'somebody it does not name');
  return [...new Set(ids)].join(', ');
}
