// The measurement that most benches are made of: messages per second and CPU time per message of a warm
// server.

import { drive, type Generator, generatorFor, type Target } from './generate.ts';
import { cpuMs } from './proc.ts';
import type { Server } from './server.ts';

const WARM_UP_MESSAGES = 300;
const WARM_UP_BYTES = 60_000_000;

export interface Rate {
  readonly messages: number;
  readonly perSecond: number;
  /** User and system time of all processes of the server. */
  readonly cpuMsPerMessage: number;
  /** How many cores the server kept busy. */
  readonly cores: number;
  readonly generator: Generator;
}

/**
 * Sends messages to a server until it is warm: fewer if they are large, and one to each of many mailboxes, so
 * that no mailbox is new to the server. Resolves to messages per second.
 */
export async function warmUp(target: Target): Promise<number> {
  const affordable = Math.floor(WARM_UP_BYTES / (target.bytes * target.recipients));
  const { messages, seconds } = await drive(
    target,
    Math.max(target.mailboxes / target.recipients, Math.min(affordable, WARM_UP_MESSAGES)),
  );
  return messages / seconds;
}

/** Loads a server for at least `seconds`. `expected`: messages per second, as `warmUp` has found them. */
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

/**
 * Warms a server up for `seconds` more, since V8 compiles what runs often. Resolves to messages per second.
 */
export async function settle(server: Server, target: Target, seconds: number): Promise<number> {
  return (await measure(server, target, await warmUp(target), seconds)).perSecond;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** Rounds to three significant digits. */
export function short(value: number): number {
  return Number(value.toPrecision(3));
}
