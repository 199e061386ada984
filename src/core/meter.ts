/** What the delivery path reports about itself; edge/metrics.ts turns it into Prometheus series. */
import type { Verdict } from './outcome.ts';

/** Timed steps of the hot path. */
export type Step = 'session_key' | 'encrypt' | 'stage' | 'fsync' | 'commit' | 'delivery';

export interface Meter {
  /** A step took `seconds`. */
  time(step: Step, seconds: number): void;
  /** A recipient was answered. */
  recipient(verdict: Verdict, why: string): void;
  /** A message (one DATA) was answered; `bytes` is its size as received. */
  message(verdict: Verdict | 'aborted', bytes: number): void;
  /** A file of the key directory could not be used. */
  keyFileRefused(): void;
}
