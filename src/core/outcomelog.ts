/**
 * What a delivery writes to the log, which includes no message content but the id of the mail server.
 * edge/log.ts makes lines of it.
 */
import type { EventOf } from './events.ts';
import type { Verdict } from './outcome.ts';

/** What became of one recipient: refused at RCPT, or the outcome after DATA. */
export interface OutcomeLine {
  /** ID of the transaction, also in the reply and in the Received field. */
  readonly id: string;
  readonly recipient: string;
  readonly sender: string;
  readonly verdict: Verdict;
  readonly why: string;
  /** The reply code; after an abort it was not sent. */
  readonly code: number;
  /** Size of the message as received, in bytes. */
  readonly bytes: number;
  /** Time from DATA to the reply, in milliseconds. */
  readonly ms: number;
  /** The id of the message in the log of the mail server in front, if it names one. */
  readonly queueId?: string | undefined;
  /** Name of the folder that the message is in. */
  readonly folder?: string | undefined;
  /** Name of the stored file. */
  readonly file?: string | undefined;
  /** The store behind LMTP that the copy was for, if there is one. */
  readonly nextHop?: string | undefined;
  /** Details for the operator: what the key library says, the errno of a disk call. */
  readonly reasons?: readonly string[] | undefined;
}

export interface OutcomeLog {
  outcome(line: OutcomeLine): void;
  /** Reports a fault, ours or a peer's, that is not the outcome of one delivery. */
  fault(event: EventOf<'error'>, error: unknown): void;
}
