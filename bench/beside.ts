// How much longer deliveries take while something else goes on: those that are due at regular times, alone
// and beside it, in rounds of both.

import { setTimeout as pause } from 'node:timers/promises';
import type { Running } from '../test/support/process.ts';
import type { Bed } from './bed.ts';
import type { Row } from './bench.ts';
import { generate, type LoadReport } from './generate.ts';
import { median, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import type { Sealdir } from './sealdir.ts';

const BYTES = 10_000;
const MAILBOXES = 4;
const CONNECTIONS = 20;
/** Until it is at work: what is measured is not how long Node takes to start. */
const START_MS = 2000;

export interface Beside<T> {
  readonly name: string;
  /** Is called before each round, which takes some seconds. */
  prepare(seconds: number): Promise<T>;
  start(prepared: T): Promise<Running>;
  /** Whether it has come to its end too early, by what it has said. */
  hasEnded(output: string): boolean;
}

export async function deliveriesBeside<T>(
  site: { readonly bed: Bed; readonly server: Sealdir; readonly certificate: string },
  rate: number,
  beside: Beside<T>,
): Promise<Row> {
  const { bed, server, certificate } = site;
  const base = freshBase();
  await server.addRecipients(addresses(base, MAILBOXES), certificate);
  const seconds = bed.pick(3, 10);
  const deliver = () =>
    generate({
      mode: 'open',
      bytes: BYTES,
      recipients: 1,
      mailboxes: MAILBOXES,
      port: server.port,
      base,
      connections: CONNECTIONS,
      rate,
      seconds,
    });
  await deliver(); // warms up
  const [alone, together]: [LoadReport[], LoadReport[]] = [[], []];
  for (let round = 0; round < bed.pick(3, 9); round++) {
    bed.progress(`${beside.name}: ${rate} deliveries a second, round ${round + 1}`);
    const prepared = await beside.prepare(seconds);
    await pause(1000);
    alone.push(await deliver());
    const running = await beside.start(prepared);
    await pause(START_MS);
    together.push(await deliver());
    if (beside.hasEnded(running.output())) throw new Error(`${beside.name} ended too early`);
    await running.stop();
  }
  const ratios = (of: 'p50' | 'p99') =>
    together.map((each, at) => each[of] / (alone[at]?.[of] ?? Number.NaN));
  const all = ratios('p50').sort((a, b) => a - b);
  return {
    'messages/s': rate,
    rounds: all.length,
    'p50 ms alone': short(median(alone.map(({ p50 }) => p50))),
    'p50 ms beside': short(median(together.map(({ p50 }) => p50))),
    'p50 ratio': short(median(all)),
    lowest: short(all[0] ?? Number.NaN),
    highest: short(all.at(-1) ?? Number.NaN),
    'p99 ratio': short(median(ratios('p99'))),
  };
}
