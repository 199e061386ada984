// The one measurement most benches are made of: messages a second and CPU time a message, of a warm server.

import { drive, type Generator, generatorFor, type Target } from './generate.ts';
import { cpuMs } from './proc.ts';
import type { Server } from './server.ts';

const WARM_UP_MESSAGES = 300;
const WARM_UP_BYTES = 60_000_000;

export interface Rate {
  readonly messages: number;
  readonly perSecond: number;
  /** Of all processes of the server, user and system. */
  readonly cpuMsPerMessage: number;
  /** How many cores the server kept busy. */
  readonly cores: number;
  readonly generator: Generator;
}

/** Few enough of large ones; with many mailboxes each is visited once, so that none is new to the server. */
export async function warmUp(target: Target): Promise<number> {
  const affordable = Math.floor(WARM_UP_BYTES / (target.bytes * target.recipients));
  const { messages, seconds } = await drive(
    target,
    Math.max(target.mailboxes / target.recipients, Math.min(affordable, WARM_UP_MESSAGES)),
  );
  return messages / seconds;
}

/** Loads a server that `warmUp` has seen reach `expected` messages a second, for at least so many `seconds`. */
export async function measure(
  server: Server,
  target: Target,
  expected: number,
  seconds: number,
): Promise<Rate> {
  const before = cpuMs(server.pid);
  let messages = 0;
  let elapsed = 0;
  let rate = expected;
  while (elapsed < seconds) {
    const sent = await drive(target, Math.ceil(rate * Math.max(seconds - elapsed, seconds / 4)));
    messages += sent.messages;
    elapsed += sent.seconds;
    rate = messages / elapsed;
  }
  const cpu = cpuMs(server.pid) - before;
  return {
    messages,
    perSecond: rate,
    cpuMsPerMessage: cpu / messages,
    cores: cpu / 1000 / elapsed,
    generator: generatorFor(target),
  };
}

/** Warms a server up for some seconds more, since V8 compiles what runs often; its messages a second then. */
export async function settle(server: Server, target: Target, seconds: number): Promise<number> {
  return (await measure(server, target, await warmUp(target), seconds)).perSecond;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** Three significant digits. */
export function short(value: number): number {
  return Number(value.toPrecision(3));
}
