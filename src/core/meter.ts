/** What the delivery path reports about itself. edge/metrics.ts turns it into Prometheus series. */
import type { Way } from './hop.ts';
import type { Verdict } from './outcome.ts';

/** The steps of a delivery that are timed. */
export type Step = 'session_key' | 'encrypt' | 'stage' | 'fsync' | 'commit' | 'delivery';

/** What became of a copy that was whole and was passed on to a next hop. */
export type Forwarded = 'accepted' | 'deferred' | 'refused' | 'lost' | 'unreachable' | 'busy' | 'aborted';

/** A copy that was encrypted to its end. */
export interface SealedCopy {
  /** The version of its SEIPD packet. */
  readonly seipd: 1 | 2;
  /** Before encryption. */
  readonly bytes: number;
  readonly seconds: number;
}

export interface Meter {
  /** Reports that a step took `seconds`. */
  time(step: Step, seconds: number): void;
  /** Reports the answer for `count` recipients, or one; `probed`: refused at RCPT, and no DATA followed. */
  recipient(verdict: Verdict | 'probed', why: string, count?: number): void;
  /**
   * Reports the outcome of one message (one DATA): stored if any copy was. `bytes` is its size as received.
   */
  message(verdict: Verdict | 'aborted', bytes: number): void;
  /** Reports a file of the key directory that cannot be used. */
  keyFileRefused(): void;
  /** Reports how a message came that is stored now for anybody. */
  received(way: Way): void;
  /** Reports a copy that is sealed, though not stored yet. */
  sealed(copy: SealedCopy): void;
  /** Reports what a next hop has said of a copy, and how long that took since the copy was whole. */
  forwarded(result: Forwarded, seconds: number | undefined): void;
}

/** For whoever counts nothing. */
export const UNMETERED: Meter = {
  time() {},
  recipient() {},
  message() {},
  received() {},
  keyFileRefused() {},
  sealed() {},
  forwarded() {},
};
