/**
 * Outcome -> reply. Each refusal at RCPT and each final outcome of a copy is counted and logged before it is
 * told, so that the log, the metrics and what the client is told cannot differ. One at RCPT for good (5yz) is
 * counted when it is known whether there is a message: without DATA it may have been a probe, as mail servers
 * send to verify an address. Not counted are a 250 at RCPT, which is no outcome yet, and replies that say
 * nothing about a recipient: those to bad syntax and to too many recipients.
 */
import { performance } from 'node:perf_hooks';
import type { CopyFailure } from '../core/errors.ts';
import { type Hop, type OnReceived, UNKNOWN_HOP, wayOf } from '../core/hop.ts';
import type { Meter } from '../core/meter.ts';
import { type Reply, replyOf, type StoredAs, verdictOf } from '../core/outcome.ts';
import type { OutcomeLog } from '../core/outcomelog.ts';

export interface ReplyParts {
  readonly meter: Meter;
  readonly onReceived?: OnReceived | undefined;
  readonly outcomeLog: OutcomeLog;
}

/** What has become of one recipient's copy. */
export interface CopyOutcome {
  readonly failure: CopyFailure | undefined;
  /** What is answered if there is none, with reasons for the log if it is not simply `stored`. */
  readonly storedAs: StoredAs;
  readonly reasons: readonly string[];
  /** Name of the stored file; undefined if it became none. */
  readonly file: string | undefined;
  /** Name of the folder that it is in. */
  readonly folder: string | undefined;
  /** The store that has it, if that is elsewhere. */
  readonly nextHop: string | undefined;
}

export interface AnswerDetail {
  /** Name of the stored file. */
  readonly file?: string | undefined;
  readonly folder?: string | undefined;
  readonly nextHop?: string | undefined;
  readonly reasons?: readonly string[];
}

export class Replies {
  readonly #parts: ReplyParts;
  readonly #id: string;
  readonly #sender: Buffer;
  readonly #unsettled = new Map<string, number>(); // refused at RCPT, by reason
  #startedAt: number | undefined; // when DATA began
  /** Message bytes received so far. */
  bytes = 0;
  /** What the mail server in front calls the message, once its header is known. */
  queueId: string | undefined;
  /** How it came there, once its header is known. */
  hop: Hop = UNKNOWN_HOP;

  constructor(parts: ReplyParts, id: string, sender: Buffer) {
    this.#parts = parts;
    this.#id = id;
    this.#sender = sender;
  }

  /** The header is known. */
  cameAs(queueId: string | undefined, hop: Hop): void {
    this.queueId = queueId;
    this.hop = hop;
  }

  /** DATA has begun. */
  start(): void {
    this.#startedAt = performance.now();
  }

  get started(): boolean {
    return this.#startedAt !== undefined;
  }

  /** Logs and returns the answer to a RCPT that is not admitted. `settle` counts it if it is for good. */
  answerRcpt(recipient: string, reply: Reply, detail: AnswerDetail): Reply {
    if (verdictOf(reply) !== 'refused') return this.answer(recipient, reply, detail);
    this.#unsettled.set(reply.why, (this.#unsettled.get(reply.why) ?? 0) + 1);
    return this.#log(recipient, reply, detail);
  }

  /** Counts the RCPTs that were refused for good so far, now that it is known what they were. */
  settle(as: 'refused' | 'probed'): void {
    for (const [why, count] of this.#unsettled) this.#parts.meter.recipient(as, why, count);
    this.#unsettled.clear();
  }

  /** Counts and logs the answer for one recipient, and returns it. `recipient` is its path as sent. */
  answer(recipient: string, reply: Reply, detail: AnswerDetail = {}): Reply {
    this.#parts.meter.recipient(verdictOf(reply), reply.why);
    return this.#log(recipient, reply, detail);
  }

  #log(recipient: string, reply: Reply, detail: AnswerDetail): Reply {
    const { why, code } = reply;
    const verdict = verdictOf(reply);
    const ms = Math.round(this.#elapsedMs());
    this.#parts.outcomeLog.outcome({
      id: this.#id,
      recipient,
      sender: this.#sender.toString('latin1'),
      verdict,
      why,
      code,
      bytes: this.bytes,
      ms,
      queueId: this.queueId,
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
    return this.answer(recipient, replyOf(failure.why, id), { nextHop: copy.nextHop, reasons });
  }

  #answerStored(recipient: string, { storedAs, reasons, file, folder, nextHop }: CopyOutcome): Reply {
    const where = { folder, file, nextHop };
    const detail = reasons.length === 0 ? where : { ...where, reasons };
    return this.answer(recipient, replyOf(storedAs, this.#id), detail);
  }

  /**
   * Counts the message once all its recipients have their answers: stored if any copy was, else deferred if
   * any was. How it came counts if a copy is stored now.
   */
  done(copies: readonly CopyOutcome[]): void {
    const verdicts = copies.map(({ failure, storedAs }) => verdictOf(replyOf(failure?.why ?? storedAs)));
    const verdict = (['stored', 'deferred', 'refused'] as const).find((each) => verdicts.includes(each));
    this.#parts.meter.time('delivery', this.#elapsedMs() / 1000);
    if (verdict !== undefined) this.#parts.meter.message(verdict, this.bytes);
    if (copies.every(({ failure }) => failure !== undefined)) return; // also one that came before
    this.#parts.meter.received(wayOf(this.hop));
    this.#parts.onReceived?.(this.hop, this.#sender);
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
