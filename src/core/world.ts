/**
 * What a delivery takes from outside itself: the clock, randomness, who we are.
 * Passed in everywhere, so that a test can hold them still. `Disk` (disk/disk.ts)
 * is the only other thing a test may fake.
 */

export interface World {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic microseconds, for names and durations; never compared across processes. */
  micros(): number;
  /** `length` bytes from a cryptographic source; throws when it has none to give. */
  random(length: number): Buffer;
  readonly pid: number;
  /** The name we announce and put into Received fields and Maildir file names. */
  readonly host: string;
}
