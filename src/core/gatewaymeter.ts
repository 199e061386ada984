/** What the session gateway tells of its work, without a word of whose it was. */

/** What the process of a user has done since it told last. */
export interface MessageCounts {
  /** Of each message that was opened. */
  readonly openSeconds: readonly number[];
  /** Of these, as they are shown. */
  readonly openedBytes: number;
  /** Messages that did not open, and were shown as they are stored. */
  readonly unopened: number;
  /** Messages that a program has stored, and those that could not be sealed. */
  readonly sealed: number;
  readonly refused: number;
}

export interface GatewayMeter {
  /** `seconds`: until it was known. */
  login(result: 'right' | 'wrong' | 'busy', seconds: number): void;
  connectionRefused(): void;
  processLost(process: 'user' | 'front'): void;
  messages(counts: MessageCounts): void;
}
