/** Who exists. Says nothing of keys: a recipient may exist and have none that can be used. */

export interface Recipient {
  /** The canonical address; two recipients with the same one are the same account. */
  readonly address: string;
}

export interface RecipientSource {
  /**
   * Returns the recipient with this canonical address, or undefined if there is none. Throws if the
   * source could not be asked: that must never be taken for "there is none".
   */
  find(address: string): Promise<Recipient | undefined>;
}
