// Our own load generator. It runs in a process of its own, gets its order as one JSON argument, and answers
// with one line of JSON.
//
//   closed  for throughput: keeps all sessions busy until `count` messages are stored or `seconds` are over
//   open    for latency: sends one message every 1/rate seconds, whatever the server does, and measures each
//           from the time when it was due
//   hold    opens its sessions, prints "ready" and holds them until it is ended

import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { addresses } from './recipients.ts';
import { bodyOf, envelopeFor, Session } from './session.ts';

export interface Target {
  readonly port: number;
  readonly bytes: number;
  /** Of each message. */
  readonly recipients: number;
  readonly connections: number;
  readonly base: string;
  readonly mailboxes: number;
  /**
   * Index of the mailbox that gets the first message; the next one gets the second, and so on. 0 if left out.
   */
  readonly first?: number;
}

export type Order =
  | (Target & { readonly mode: 'closed'; readonly count: number; readonly seconds: number })
  | (Target & { readonly mode: 'open'; readonly rate: number; readonly seconds: number })
  | (Target & { readonly mode: 'hold' });

export interface LoadReport {
  readonly messages: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

type Deliver = (session: Session, index: number) => Promise<void>;

async function obey(order: Order): Promise<LoadReport | undefined> {
  const sessions = await Promise.all(
    Array.from({ length: order.connections }, () => Session.open(order.port)),
  );
  if (order.mode === 'hold') {
    console.log('ready');
    setInterval(() => undefined, 60_000);
    return undefined;
  }
  const body = bodyOf(order.bytes);
  const names = addresses(order.base, order.mailboxes);
  const deliver: Deliver = (session, index) => {
    const chosen = Array.from(
      { length: order.recipients },
      (_, k) => ((order.first ?? 0) + index * order.recipients + k) % names.length,
    );
    return session.deliver(envelopeFor(chosen.map((at) => names[at] ?? '')), body);
  };
  const start = performance.now();
  const latencies =
    order.mode === 'closed'
      ? await keepBusy(sessions, order, deliver)
      : await onSchedule(sessions, order, deliver);
  const seconds = (performance.now() - start) / 1000;
  for (const session of sessions) session.close();
  return report(latencies, seconds);
}

async function keepBusy(
  sessions: readonly Session[],
  order: { readonly count: number; readonly seconds: number },
  deliver: Deliver,
): Promise<number[]> {
  const end = performance.now() + order.seconds * 1000;
  const latencies: number[] = [];
  let next = 0;
  const work = async (session: Session) => {
    while (next < order.count && performance.now() < end) {
      const start = performance.now();
      await deliver(session, next++);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(sessions.map(work));
  return latencies;
}

/** Sends each message when it is due. If no session is free then, the message waits, and the wait counts. */
async function onSchedule(
  sessions: readonly Session[],
  order: { readonly rate: number; readonly seconds: number },
  deliver: Deliver,
): Promise<number[]> {
  const start = performance.now();
  const count = Math.round(order.rate * order.seconds);
  const dueAt = (index: number) => start + (index * 1000) / order.rate;
  const latencies: number[] = [];
  let next = 0;
  const work = async (session: Session) => {
    while (next < count) {
      const index = next++;
      const wait = dueAt(index) - performance.now();
      if (wait > 0) await pause(wait);
      // Our timer may be a millisecond late, and that must not count against the server.
      const from = wait > 0 ? performance.now() : dueAt(index);
      await deliver(session, index);
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(sessions.map(work));
  return latencies;
}

function report(latencies: number[], seconds: number): LoadReport {
  const sorted = latencies.sort((a, b) => a - b);
  const percentile = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    messages: sorted.length,
    seconds,
    p50: percentile(0.5),
    p99: percentile(0.99),
    p999: percentile(0.999),
  };
}

if (process.argv[1] === import.meta.filename) {
  const answer = await obey(JSON.parse(process.argv[2] ?? '') as Order);
  if (answer !== undefined) console.log(JSON.stringify(answer));
}
