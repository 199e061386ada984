// Compares what the clients were told with what the server logged. Each transaction must have exactly one
// line in the log for each of its replies, and one for each recipient whose reply the client did not wait
// for.

import assert from 'node:assert/strict';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';

/** One MAIL and what followed. Its sender is unique, so that its lines can be found. */
export interface Told {
  readonly sender: string;
  /** Replies to RCPT that were refusals. */
  readonly refused: string[];
  /** RCPTs answered 250. */
  accepted: number;
  /** DATA was answered 354. */
  started: boolean;
  /** Replies after the final dot. They are fewer than `accepted` if the client did not wait for all. */
  readonly final: string[];
}

export class Ledger {
  readonly #told = new Map<string, Told>(); // transactions that their clients have finished
  readonly #lines = new Map<string, OutcomeLine[]>();
  /** Number of lines by `verdict why`. */
  readonly counts = new Map<string, number>();
  transactions = 0;
  /** Transactions that came as far as DATA. */
  messages = 0;

  /** Takes a transaction that its client has finished. */
  close(told: Told): void {
    this.transactions++;
    if (told.started) this.messages++;
    this.#told.set(told.sender, told);
    this.#settle(told.sender);
  }

  /** Takes a line that the server has logged. */
  write(line: OutcomeLine): void {
    const key = `${line.verdict} ${line.why}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.#lines.set(line.sender, [...(this.#lines.get(line.sender) ?? []), line]);
    this.#settle(line.sender);
  }

  /** Returns the number of lines with a verdict, whatever the reason. */
  count(verdict: OutcomeLine['verdict']): number {
    return [...this.counts].reduce((sum, [key, count]) => sum + (key.startsWith(verdict) ? count : 0), 0);
  }

  /** Number of transactions without all their lines, and of those whose client has not finished. */
  get open(): number {
    return new Set([...this.#told.keys(), ...this.#lines.keys()]).size;
  }

  #settle(sender: string): void {
    const told = this.#told.get(sender);
    const lines = this.#lines.get(sender) ?? [];
    if (told === undefined || lines.length < told.refused.length + (told.started ? told.accepted : 0)) return;
    assertSame(told, lines);
    this.#told.delete(sender);
    this.#lines.delete(sender);
  }
}

function assertSame(
  { sender, refused, accepted, started, final }: Told,
  lines: readonly OutcomeLine[],
): void {
  assert.equal(lines.length, refused.length + (started ? accepted : 0), `${sender} has too many lines`);
  const codes = lines.map(({ code }) => code);
  const replied = [...refused, ...final].map((reply) => Number(reply.slice(0, 3)));
  assert.deepEqual(codes.slice(0, replied.length), replied, sender);
  for (const [n, reply] of final.entries()) {
    const line = lines[refused.length + n];
    // The reply has the same id as the log line.
    if (reply.startsWith('250')) assert.ok(reply.endsWith(` ${line?.id}`), `${sender}: ${reply}`);
  }
  for (const { verdict, file } of lines) assert.equal(file !== undefined, verdict === 'stored', sender);
}
