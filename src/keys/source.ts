/** The port for places that keys come from. Says nothing of who exists. */
import type { Certificate } from './certificates.ts';

/** The keys of one recipient. */
export interface KeyEntry {
  readonly certificates: readonly Certificate[];
  /** Sentences about keys that cannot be read. Any of them makes the whole entry unusable (D7). */
  readonly problems: readonly string[];
}

/** Whose keys are wanted. A recipient of `recipients/source.ts` is one of these. */
export interface KeyOwner {
  /** The canonical address. */
  readonly address: string;
  /** The certificates as the recipient source has them. Left out: the key source looks for some. */
  readonly keys?: readonly (string | Buffer)[] | undefined;
}

export interface KeySource {
  /**
   * Returns the keys of a recipient, or undefined if the source holds none. Throws if it could not be asked:
   * that must never be taken for "there are none".
   */
  keysOf(recipient: KeyOwner): Promise<KeyEntry | undefined>;
}
