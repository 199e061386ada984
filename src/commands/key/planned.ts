/** What `key add` and `key remove` are about to do. Types only. */

/** What is to become of one file of the key directory. */
export interface Change {
  readonly address: string;
  readonly file: string;
  readonly expected: Buffer | undefined;
  readonly content: Buffer | undefined;
}

/** All changes for one recipient. */
export interface Plan {
  readonly address: string;
  readonly changes: readonly Change[];
  /** Fingerprints of the keys that the recipient does not have yet. */
  readonly added: readonly string[];
  /** What somebody has to agree to, in lines; none if the change is harmless. */
  readonly toConfirm: readonly string[];
}
