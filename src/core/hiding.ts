import type { SameAddress } from './address.ts';

/** How a log hides addresses. Plain data, since every process of a server is given it. */
export interface Hiding {
  /** In base64. */
  readonly secret: string;
  readonly same: SameAddress;
  /** Path of a Maildir, with `{local}` and `{domain}`. */
  readonly maildir: string;
  /** Paths that are in the configuration: they may be read, and what they are in. What is below may not. */
  readonly paths: readonly string[];
  /** Directories below which only names that hold an "@" are about somebody. */
  readonly harmless: readonly string[];
}
