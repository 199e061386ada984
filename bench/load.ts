// Our own load generator. It runs in a process of its own, gets its order as one JSON argument, and answers
// with one line of JSON.
//
//   closed  keeps all sessions busy until `count` messages are stored or `seconds` are over: throughput
//   open    one message every 1/rate seconds, whatever the server does; timed from when it was due: latency
//   steady  keeps all sessions busy, and counts only what is stored between the first seconds and the last
//   hold    opens its sessions, says "ready" and holds them until it is ended

import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuMs, machineBusyMs } from './proc.ts';
import { addresses } from './recipients.ts';
import { bodyOf, envelopeFor, Session } from './session.ts';

export interface Target {
  readonly port: number;
  readonly bytes: number;
  /** Of each message. */
  readonly recipients: number;
  readonly connections: number;
  readonly base: string;
  /** The one of `recipients.ts` when left out. Only the own generator can. */
  readonly domain?: string;
  readonly mailboxes: number;
  /**
   * Index of the mailbox that gets the first message; the next one gets the second, and so on. 0 if left out.
   */
  readonly first?: number;
  /** The core that smtp-source is bound to. */
  readonly core?: number;
}

export type Order =
  | (Target & { readonly mode: 'closed'; readonly count: number; readonly seconds: number })
  | (Target & { readonly mode: 'open'; readonly rate: number; readonly seconds: number })
  | (Target & Steady & { readonly mode: 'steady' })
  | (Target & { readonly mode: 'hold' });

export interface Steady {
  /** Before anything counts. */
  readonly settleSeconds: number;
  readonly seconds: number;
  /** Processes whose CPU time is wanted, each with its descendants. */
  readonly watch: readonly number[];
}

export interface LoadReport {
  readonly messages: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** While it counted; only of `steady`. */
  readonly cpu?: CpuReport;
}

/** Milliseconds of CPU time, user and system. */
export interface CpuReport {
  /** Of each process that was to be watched. */
  readonly watched: readonly number[];
  /** Of the generator. */
  readonly own: number;
  /** Of everything on this machine. */
  readonly machine: number;
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
  const names = addresses(order.base, order.mailboxes, order.domain);
  const deliver: Deliver = (session, index) => {
    const chosen = Array.from(
      { length: order.recipients },
      (_, k) => ((order.first ?? 0) + index * order.recipients + k) % names.length,
    );
    return session.deliver(envelopeFor(chosen.map((at) => names[at] ?? '')), body);
  };
  if (order.mode === 'steady') {
    const report = await countInTheMiddle(sessions, order, deliver);
    for (const session of sessions) session.close();
    return report;
  }
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

async function countInTheMiddle(
  sessions: readonly Session[],
  { settleSeconds, seconds, watch }: Steady,
  deliver: Deliver,
): Promise<LoadReport> {
  const latencies: number[] = [];
  let next = 0;
  let state: 'before' | 'counting' | 'over' = 'before';
  const work = async (session: Session) => {
    while (state !== 'over') {
      const start = performance.now();
      await deliver(session, next++);
      if (state === 'counting') latencies.push(performance.now() - start);
    }
  };
  const working = Promise.all(sessions.map(work));
  const middle = async (): Promise<[number, CpuReport]> => {
    await pause(settleSeconds * 1000);
    const [start, before] = [performance.now(), cpuSoFar(watch)];
    state = 'counting';
    await pause(seconds * 1000);
    state = 'over';
    const after = cpuSoFar(watch);
    const cpu = {
      watched: after.watched.map((ms, at) => ms - (before.watched[at] ?? 0)),
      own: after.own - before.own,
      machine: after.machine - before.machine,
    };
    return [(performance.now() - start) / 1000, cpu];
  };
  const [[elapsed, cpu]] = await Promise.all([middle(), working]);
  return { ...report(latencies, elapsed), cpu };
}

function cpuSoFar(watch: readonly number[]): CpuReport {
  const { user, system } = process.cpuUsage();
  return { watched: watch.map(cpuMs), own: (user + system) / 1000, machine: machineBusyMs() };
}

/** Every message is due at its time: if no session is free it waits, and the wait counts. */
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
