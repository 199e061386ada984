/**
 * What a delivery takes from its surroundings: clock, randomness, process ID, host name. It is passed in
 * wherever it is used, so that a test can give its own. `Disk` (disk/disk.ts) is the only other thing that a
 * test may fake.
 */

export interface World {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic microseconds, for names and durations; not to be compared between processes. */
  micros(): number;
  /** Returns `length` bytes of a cryptographic source; throws if the source fails. */
  random(length: number): Buffer;
  readonly pid: number;
  /** The name in our greeting, in Received fields and in Maildir file names. */
  readonly host: string;
}
