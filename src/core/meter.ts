/** What the delivery path reports about itself. edge/metrics.ts turns it into Prometheus series. */
import type { Verdict } from './outcome.ts';

/** The steps of a delivery that are timed. */
export type Step = 'session_key' | 'encrypt' | 'stage' | 'fsync' | 'commit' | 'delivery';

export interface Meter {
  /** Reports that a step took `seconds`. */
  time(step: Step, seconds: number): void;
  /** Reports the answer for one recipient. */
  recipient(verdict: Verdict, why: string): void;
  /**
   * Reports the outcome of one message (one DATA): stored if any copy was. `bytes` is its size as received.
   */
  message(verdict: Verdict | 'aborted', bytes: number): void;
  /** Reports a file of the key directory that cannot be used. */
  keyFileRefused(): void;
}
