/**
 * One message on its way in, from 354 to the last of its replies. Passes the bytes on to the transaction,
 * keeps the time limits of a message, and sees to it that every accepted RCPT gets exactly one reply,
 * whatever the transaction does (RFC 2033 §4.2).
 */
import { type Reply, replyOf } from '../core/outcome.ts';
import type { ClientClock } from './clientclock.ts';
import type { LmtpOptions, LmtpTransaction } from './contract.ts';
import type { DataSink } from './parser.ts';

/** The part of a message that has to arrive within lmtp.block_timeout. */
const BLOCK_BYTES = 64 * 1024;

export interface ReceptionParts {
  readonly transaction: LmtpTransaction;
  readonly clock: ClientClock;
  readonly options: Pick<LmtpOptions, 'blockMs' | 'dataMs' | 'fault'>;
  send(reply: Reply): void;
  /** Called once, after the last reply. */
  over(): void;
}

export class Reception implements DataSink {
  readonly #parts: ReceptionParts;
  #blockBytes = 0; // of the block that is arriving
  #timer: NodeJS.Timeout | undefined;
  #answered: Promise<void> | undefined;

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  /** Starts the time limits. The client is about to be told 354. */
  begin(): void {
    const { transaction, options, send } = this.#parts;
    transaction.start();
    this.#expectBlock();
    this.#timer = setTimeout(() => send(replyOf('dataTooSlow')), options.dataMs);
  }

  write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) this.#blockBytes += piece.length;
    if (this.#blockBytes >= BLOCK_BYTES) this.#expectBlock();
    return this.#parts.clock.pause(() => this.#parts.transaction.write(pieces));
  }

  end(): Promise<void> {
    this.#answered = this.#parts.clock.pause(() => this.#answer());
    return this.#answered;
  }

  /** Stops the time limits, after the connection has closed. Resolves when no reply is under way any more. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#answered;
  }

  async #answer(): Promise<void> {
    const { transaction, options, send, over } = this.#parts;
    clearTimeout(this.#timer);
    let owed = transaction.recipientCount;
    try {
      for await (const reply of transaction.finish()) if (owed-- > 0) send(reply);
    } catch (error) {
      options.fault('delivery', error);
    }
    while (owed-- > 0) send(replyOf('internal'));
    over();
  }

  #expectBlock(): void {
    this.#blockBytes = 0;
    this.#parts.clock.expect(this.#parts.options.blockMs, 'dataTooSlow');
  }
}
