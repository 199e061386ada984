/** A key file that a delivery, or a look-up for one, has read: its keys may be sealed to. */
export interface UsedKeys {
  /** Its name in the key directory. */
  readonly file: string;
  readonly bytes: Buffer;
  /** When it was read. Milliseconds since the epoch. */
  readonly at: number;
}

export type OnUsed = (used: UsedKeys) => void;
