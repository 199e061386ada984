// What the clients were told against what the server wrote down: each transaction has exactly the lines in the log that its
// replies were, and for whom the client did not wait, one line each.

import assert from 'node:assert/strict';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';

/** One MAIL and what came of it. Its sender is unique, so that its lines are found. */
export interface Told {
  readonly sender: string;
  /** Replies to RCPT that were refusals. */
  readonly refused: string[];
  /** RCPTs answered 250. */
  accepted: number;
  /** DATA was answered 354. */
  started: boolean;
  /** Replies after the final dot; fewer than `accepted` where the client did not wait for them. */
  readonly final: string[];
}

export class Ledger {
  readonly #told = new Map<string, Told>(); // whose client is done with them
  readonly #lines = new Map<string, OutcomeLine[]>();
  /** Lines by `verdict why`. */
  readonly counts = new Map<string, number>();
  transactions = 0;
  /** Those that got to DATA. */
  messages = 0;

  /** The client is done with this transaction. */
  close(told: Told): void {
    this.transactions++;
    if (told.started) this.messages++;
    this.#told.set(told.sender, told);
    this.#settle(told.sender);
  }

  /** The server has written a line. */
  write(line: OutcomeLine): void {
    const key = `${line.verdict} ${line.why}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.#lines.set(line.sender, [...(this.#lines.get(line.sender) ?? []), line]);
    this.#settle(line.sender);
  }

  /** Sum over all reasons. */
  count(verdict: OutcomeLine['verdict']): number {
    return [...this.counts].reduce((sum, [key, count]) => sum + (key.startsWith(verdict) ? count : 0), 0);
  }

  /** Transactions that wait for lines, and lines nobody has asked for. */
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
    // the reply has the id of the log line
    if (reply.startsWith('250')) assert.ok(reply.endsWith(` ${line?.id}`), `${sender}: ${reply}`);
  }
  for (const { verdict, file } of lines) assert.equal(file !== undefined, verdict === 'stored', sender);
}
