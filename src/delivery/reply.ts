/**
 * Outcome -> reply. Each refusal at RCPT and each final outcome of a copy is counted and logged before it is
 * told, so that the log, the metrics and what the client is told cannot differ. Not counted are a 250 at
 * RCPT, which is no outcome yet, and replies that say nothing about a recipient: those to bad syntax and to
 * too many recipients.
 */
import { performance } from 'node:perf_hooks';
import type { CopyFailure } from '../core/errors.ts';
import type { Meter } from '../core/meter.ts';
import { type Reply, replyOf, type StoredAs, verdictOf } from '../core/outcome.ts';
import type { OutcomeLog } from '../core/outcomelog.ts';

export interface ReplyParts {
  readonly meter: Meter;
  readonly outcomeLog: OutcomeLog;
}

/** What has become of one recipient's copy. */
export interface CopyOutcome {
  readonly failure: CopyFailure | undefined;
  /** What is answered if there is none, with reasons for the log if it is not simply `stored`. */
  readonly storedAs: StoredAs;
  readonly reasons: readonly string[];
  /** Name of the stored file. */
  readonly file: string;
}

export interface AnswerDetail {
  /** Name of the stored file. */
  readonly file?: string;
  readonly reasons?: readonly string[];
}

export class Replies {
  readonly #parts: ReplyParts;
  readonly #id: string;
  readonly #sender: string;
  #startedAt: number | undefined; // when DATA began
  /** Message bytes received so far. */
  bytes = 0;

  constructor(parts: ReplyParts, id: string, sender: Buffer) {
    this.#parts = parts;
    this.#id = id;
    this.#sender = sender.toString('latin1');
  }

  /** DATA has begun. */
  start(): void {
    this.#startedAt = performance.now();
  }

  get started(): boolean {
    return this.#startedAt !== undefined;
  }

  /** Counts and logs the answer for one recipient, and returns it. `recipient` is its path as sent. */
  answer(recipient: string, reply: Reply, detail: AnswerDetail = {}): Reply {
    const { meter, outcomeLog } = this.#parts;
    const verdict = verdictOf(reply);
    meter.recipient(verdict, reply.why);
    const { why, code } = reply;
    const ms = Math.round(this.#elapsedMs());
    outcomeLog.outcome({
      id: this.#id,
      recipient,
      sender: this.#sender,
      verdict,
      why,
      code,
      bytes: this.bytes,
      ms,
      ...detail,
    });
    return reply;
  }

  /** Returns the answer for a copy that was stored or has failed. */
  answerCopy(recipient: string, copy: CopyOutcome): Reply {
    const { failure } = copy;
    if (failure === undefined) return this.#answerStored(recipient, copy);
    const reasons = failure.cause === undefined ? [] : [reasonOf(failure.cause)];
    const id = failure.why === 'duplicate' ? this.#id : undefined;
    return this.answer(recipient, replyOf(failure.why, id), { reasons });
  }

  #answerStored(recipient: string, { storedAs, reasons, file }: CopyOutcome): Reply {
    const detail = reasons.length === 0 ? { file } : { file, reasons };
    return this.answer(recipient, replyOf(storedAs, this.#id), detail);
  }

  /**
   * Counts the message once all its recipients have their answers: stored if any copy was, else deferred if
   * any was.
   */
  done(copies: readonly CopyOutcome[]): void {
    const verdicts = copies.map(({ failure, storedAs }) => verdictOf(replyOf(failure?.why ?? storedAs)));
    const verdict = (['stored', 'deferred', 'refused'] as const).find((each) => verdicts.includes(each));
    this.#parts.meter.time('delivery', this.#elapsedMs() / 1000);
    if (verdict !== undefined) this.#parts.meter.message(verdict, this.bytes);
  }

  /** Counts and logs a message whose client left before it was whole. */
  aborted(recipients: readonly string[]): void {
    this.#parts.meter.message('aborted', this.bytes);
    for (const recipient of recipients) this.answer(recipient, replyOf('aborted'));
  }

  #elapsedMs(): number {
    return this.#startedAt === undefined ? 0 : performance.now() - this.#startedAt;
  }
}

/** Returns the message of an error for the log, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
