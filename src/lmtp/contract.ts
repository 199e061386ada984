/** What the LMTP server asks of the rest of the program; delivery/transaction.ts answers. */
import type { Client } from '../core/client.ts';
import type { Reply, Why } from '../core/outcome.ts';
import type { World } from '../core/world.ts';
import type { ConnectionLimits } from './connections.ts';

/** One mail transaction; delivery/transaction.ts is one. */
export interface LmtpTransaction {
  /** Everything after `RCPT TO:`. */
  recipient(rest: Buffer): Promise<Reply>;
  /** RCPTs answered 250: each gets one reply after DATA. */
  readonly recipientCount: number;
  start(): void;
  write(pieces: readonly Buffer[]): Promise<void>;
  finish(): AsyncIterable<Reply>;
  abort(): Promise<void>;
}

export interface LmtpOptions extends ConnectionLimits {
  readonly world: Pick<World, 'micros'>;
  /** Name in the greeting and in the LHLO reply. */
  readonly host: string;
  readonly maxMessageBytes: number;
  /** Until the next command. */
  readonly idleMs: number;
  /** Until the next block of a message. */
  readonly blockMs: number;
  /** From 354 to the final dot. */
  readonly dataMs: number;
  readonly sessionMs: number;
  /** MAIL: everything after `MAIL FROM:` -> a transaction, or why not. */
  begin(rest: Buffer, client: Client): LmtpTransaction | Why;
  fault(what: string, error: unknown): void;
}
