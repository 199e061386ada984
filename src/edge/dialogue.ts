/** What the LMTP server asks of the rest of the program; delivery/transaction.ts answers. */
import type { Reply, Why } from '../core/outcome.ts';

export interface LmtpClient {
  /** Name given in LHLO. */
  readonly name: string;
  /** IP address, or undefined on a Unix socket. */
  readonly address: string | undefined;
}

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

export interface LmtpOptions {
  /** Name in the greeting and in the LHLO reply. */
  readonly host: string;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** Without a byte from the client. */
  readonly idleMs: number;
  /** From 354 to the final dot. */
  readonly dataMs: number;
  readonly sessionMs: number;
  /** MAIL: everything after `MAIL FROM:` -> a transaction, or why not. */
  begin(rest: Buffer, client: LmtpClient): LmtpTransaction | Why;
  fault(what: string, error: unknown): void;
}
