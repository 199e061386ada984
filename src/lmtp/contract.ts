/**
 * The contract between the LMTP server and the delivery of a message. session.ts and
 * reception.ts call; delivery/transaction.ts keeps the other side, and neither imports the other.
 *
 * One transaction, in the order in which it is called; brackets mark what may be left out:
 *
 *   begin -> recipient* -> [ announce -> start -> write* -> finish ] -> [ abort ]
 *
 * Where `announce` returns false, there may be more of `recipient` and another `announce`.
 *
 * A call is made only after the promise of the call before it has settled, and `finish` is over when its
 * iterator is. `abort` is the exception: it may come at any time after `begin`, while any other call is
 * under way, and nothing is called after it. A transaction that was not finished is always aborted.
 */
import type { Client } from '../core/client.ts';
import type { EventOf } from '../core/events.ts';
import type { Refusal, Reply } from '../core/outcome.ts';
import type { World } from '../core/world.ts';
import type { ConnectionLimits } from './connections.ts';
import type { TlsTerms } from './terms.ts';

export interface LmtpTransaction {
  /**
   * Decides about one RCPT. `rest` is everything after `RCPT TO:`. A reply of 250 is a promise that
   * `finish` yields one more reply. Called any number of times, for the same address too. Rejects only for
   * a bug: the session then answers `internal`, and the RCPT must not be counted.
   */
  recipient(rest: Buffer): Promise<Reply>;

  /** How many RCPTs were answered 250, repeated ones included. Never changes after `start`. */
  readonly recipientCount: number;

  /** Announces that DATA was asked for. False if `recipientCount` is 0: it is refused. Must not throw. */
  announce(): boolean;

  /** Announces that DATA was accepted. Called once, only if `recipientCount` is above 0. Must not throw. */
  start(): void;

  /**
   * Takes the next bytes of the message, without dot-stuffing. The bytes may be read until the promise
   * settles; after that their memory is given back to the system, so what is kept has to be copied. The
   * socket is not read before the promise settles: a slow delivery slows its client down. Must not reject
   * and must not refuse: a message that nobody can get any more is read to its end, and `finish` says why.
   * Once the transaction is aborted the rest is dropped and the promise settles.
   */
  write(pieces: readonly Buffer[]): Promise<void>;

  /**
   * Ends the message, which is whole: the final dot has arrived. Yields exactly `recipientCount` replies,
   * one per accepted RCPT and in their order (RFC 2033 §4.2), each as soon as it and all replies before it
   * are decided. A positive reply means that the copy is durable. Should the iterator throw, or end early,
   * the session answers `internal` for each RCPT that is left; a reply too many is dropped.
   *
   * If `abort` comes meanwhile, the iterator still yields all its replies, although nobody reads them:
   * a copy that was durable stays and counts as delivered, any other is undone.
   */
  finish(): AsyncIterable<Reply>;

  /**
   * Gives the message up: RSET, a new LHLO, or the end of the connection. Called at most once. Nothing of
   * the message stays on disk, except copies that were durable before. The promise settles once the files
   * are removed, or after a bounded time where the file system does not answer; the server's stop waits
   * for it. A rejection is only logged.
   */
  abort(): Promise<void>;
}

export interface LmtpOptions extends ConnectionLimits {
  readonly world: Pick<World, 'micros'>;
  /** The name in the greeting and in the LHLO reply. */
  readonly host: string;
  /** Announced as SIZE. The transaction has to enforce it. */
  readonly maxMessageBytes: number;
  /** How long to wait for the next complete command. Does not run while the client waits for us. */
  readonly idleMs: number;
  /** How long to wait for the next 64 KiB of a message. Does not run while the client waits for us. */
  readonly blockMs: number;
  /** Longest time between 354 and the final dot, whoever is slow. */
  readonly dataMs: number;
  /** Longest time of a session. A message that is arriving at its end is still taken and answered. */
  readonly sessionMs: number;
  /**
   * Begins the transaction of a MAIL command, or says why not. `rest` is everything after `MAIL FROM:`.
   * Called only while the session has no other transaction. If it throws, the client is told `internal`.
   */
  begin(rest: Buffer, client: Client): LmtpTransaction | Refusal;
  /** For TCP. Undefined: there is no TLS; `unavailable`: there should be, and STARTTLS gets 454. */
  readonly tls: TlsTerms | 'unavailable' | undefined;
  /** MAIL is refused over TCP without TLS. */
  readonly requiresTls: boolean;
  /** Reports a bug or a broken connection to the log. */
  /** Counts a reply; `enhanced` is '' where it has no such code. */
  replied(code: number, enhanced: string): void;
  fault(event: EventOf<'error'>, error: unknown): void;
  /** Reports a client that TLS is not possible with, or whose certificate is not accepted. */
  distrusted(client: string, why: string): void;
}
