// Loads a server: with Postfix's smtp-source if that can make the load, else with our own generator
// (load.ts).
//
// smtp-source sends to one address, or in each message to `-r` numbered ones. So if messages have one
// recipient, there is one smtp-source for each mailbox, and the connections are divided among them.

import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { hasProgram } from '../test/support/peers.ts';
import { type Running, run, start } from '../test/support/process.ts';
import type { LoadReport, Order, Target } from './load.ts';
import { addresses } from './recipients.ts';

export type { LoadReport, Target } from './load.ts';

const OWN = fileURLToPath(new URL('./load.js', import.meta.url));
const TIMEOUT_MS = 10 * 60_000;
const MOST_PROCESSES = 100;

export type Generator = 'smtp-source' | 'own';

export interface Sent {
  readonly messages: number;
  readonly seconds: number;
}

export function generatorFor({ recipients, mailboxes, connections, first }: Target): Generator {
  if (first !== undefined || !hasProgram('smtp-source')) return 'own';
  const oneEach = mailboxes <= MOST_PROCESSES && connections % mailboxes === 0;
  return (recipients === 1 ? oneEach : recipients === mailboxes) ? 'smtp-source' : 'own';
}

/** Sends about `count` messages as fast as the server takes them. Rejects unless all are stored. */
export async function drive(target: Target, count: number): Promise<Sent> {
  if (generatorFor(target) === 'own') return generate({ ...target, mode: 'closed', count, seconds: 3600 });
  const each = addresses(target.base, target.recipients === 1 ? target.mailboxes : 1);
  const sessions = target.connections / each.length;
  const share = Math.max(sessions, Math.ceil(count / each.length));
  const startedAt = performance.now();
  await Promise.all(each.map((to) => smtpSource(target, to, sessions, share)));
  return { messages: share * each.length, seconds: (performance.now() - startedAt) / 1000 };
}

async function smtpSource(target: Target, to: string, sessions: number, messages: number): Promise<void> {
  const { port, bytes, recipients, core } = target;
  // -L speaks LMTP, -d keeps the connection open. smtp-source ends at the first reply that it does not like.
  const options = [
    '-L',
    '-d',
    '-s',
    sessions,
    '-m',
    messages,
    '-l',
    bytes,
    '-f',
    'bench@example.org',
    '-t',
    to,
  ];
  const several = recipients === 1 ? [] : ['-r', recipients];
  const args = [...options, ...several, `127.0.0.1:${port}`].map(String);
  const bound = core === undefined ? [] : ['taskset', '-c', `${core}`];
  const [program = '', ...rest] = [...bound, 'smtp-source', ...args];
  const { code, stderr } = await run(program, rest, { timeoutMs: TIMEOUT_MS });
  if (code !== 0) throw new Error(`smtp-source: exit ${code}: ${stderr}`);
}

/** Runs our own generator in a process of its own. */
export async function generate(order: Exclude<Order, { mode: 'hold' }>): Promise<LoadReport> {
  const { code, stdout, stderr } = await run(process.execPath, [OWN, JSON.stringify(order)], {
    timeoutMs: TIMEOUT_MS,
  });
  if (code !== 0) throw new Error(`load generator: exit ${code}: ${stderr}`);
  return JSON.parse(stdout.toString()) as LoadReport;
}

/** Opens idle sessions, which stay open until the result is stopped. */
export function hold(target: Target): Promise<Running> {
  const order: Order = { ...target, mode: 'hold' };
  return start(process.execPath, [OWN, JSON.stringify(order)], {
    ready: (output) => output.includes('ready'),
    readyWithinMs: 60_000,
  });
}
