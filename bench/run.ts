// `npm run bench [-- [--quick | --all] [--dir DIR] [--other DIR] [NAME...]]`: runs the benches, prints their
// tables and keeps their results.
//
// Ends everything that it started, also when it is interrupted, and nothing else.

import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../test/support/shared.ts';
import { Bed } from './bed.ts';
import type { Bench } from './bench.ts';
import { custody } from './custody.ts';
import { dashboard } from './dashboard.ts';
import { disks } from './disks.ts';
import { forward } from './forward.ts';
import { gateway } from './gateway.ts';
import { growth } from './growth.ts';
import { hosts } from './hosts.ts';
import { latency } from './latency.ts';
import { limit } from './limit.ts';
import { describeMachine } from './machine.ts';
import { memory } from './memory.ts';
import { migrate } from './migrate.ts';
import { opening } from './opening.ts';
import { peers } from './peers.ts';
import { profile } from './profile.ts';
import { save, toText } from './report.ts';
import { scrape } from './scrape.ts';
import { throughput } from './throughput.ts';

const BENCHES: readonly Bench[] = [
  peers,
  forward,
  hosts,
  limit,
  throughput,
  memory,
  latency,
  growth,
  disks,
  profile,
  scrape,
  migrate,
  opening,
  custody,
  gateway,
  dashboard,
];
const RESULTS = join(repositoryRoot(), 'bench/results');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    other: { type: 'string' },
  },
});
const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(
    `no such bench: ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}
const chosen = BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const form = values.quick ? 'quick' : values.all ? 'all' : 'long';
const bed = await Bed.open(form, values.dir, values.other && resolve(values.other));
let closing: Promise<void> | undefined;
const close = () => {
  closing ??= bed.close();
  return closing;
};
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void close().finally(() => process.exit(130)));
try {
  const machine = await describeMachine(bed.root);
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  );
  for (const bench of chosen) {
    console.log(`\n== ${bench.name} (${form})\n${bench.about}\n`);
    const startedAt = Date.now();
    const result = await bench.run(bed);
    bed.progress('');
    console.log(toText(result));
    console.log(
      `  ${Math.round((Date.now() - startedAt) / 1000)} s; kept in bench/results/${bench.name}.json and .svg`,
    );
    await save(RESULTS, bench, result, { machine, form });
  }
} catch (error) {
  // A bench that fails because an interruption has ended its server has not failed.
  if (closing === undefined) throw error;
} finally {
  await close();
}
