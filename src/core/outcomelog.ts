/** What Sealdir writes down about deliveries; edge/log.ts turns it into lines. Never message content. */
import type { Verdict } from './outcome.ts';

/** The outcome for one recipient, at RCPT or after DATA. */
export interface OutcomeLine {
  /** Transaction id, as in the reply and the Received field. */
  readonly id: string;
  readonly recipient: string;
  readonly sender: string;
  readonly verdict: Verdict;
  readonly why: string;
  /** Reply code sent. */
  readonly code: number;
  /** Message size as received, in bytes. */
  readonly bytes: number;
  /** From DATA to the reply. */
  readonly ms: number;
  /** Name of the stored file. */
  readonly file?: string | undefined;
  /** Detail for the operator: reasons of the key library, errno of the disk. */
  readonly reasons?: readonly string[] | undefined;
}

export interface OutcomeLog {
  outcome(line: OutcomeLine): void;
  /** A fault of ours or a peer's that is no single delivery's outcome. */
  fault(what: string, error: unknown): void;
}
