// Measures `sealdir migrate`: how fast it is, and how much longer deliveries take beside it. See `about`.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from '../test/support/child.ts';
import { start } from '../test/support/process.ts';
import type { Bed } from './bed.ts';
import type { Bench, Row } from './bench.ts';
import { deliveriesBeside } from './beside.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { cpuMs, peakRss } from './proc.ts';
import { short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

const BYTES = 10_000;
const MAILBOXES = 4;
/** Of deliveries: a server that has some work, and one that has little. */
const RATES = [100, 20];
/** It seals no more than this in a second. */
const FASTEST = 600;
const SAMPLE_MS = 200;
const AT_LEAST = 300;
const AT_MOST = 1.3;

export const migrate: Bench = {
  name: 'migrate',
  about: `Measures sealdir migrate on messages of 10 kB in four mailboxes: messages/s, CPU time and memory, with the default
--limit and without. Then the time from MAIL to the last reply of deliveries of 10 kB that are due at regular times,
alone and beside a run with the default limit; both take turns. The ratios are of the rounds.`,

  async run(bed) {
    const server = await startSealdir(bed);
    const certificate = await makeCertificate(BASE_KEY);
    const site = { bed, server, certificate };
    const runs: Row[] = [];
    for (const limit of ['default', '0']) {
      bed.progress(`migrate: limit ${limit}`);
      runs.push(await timeOf(site, limit, bed.pick(1000, 10_000)));
    }
    const rows: Row[] = [];
    for (const rate of RATES) rows.push(await deliveries(site, rate));
    await server.stop();
    const [usual] = runs;
    return {
      tables: [
        { title: 'runs alone', rows: runs },
        { title: 'deliveries beside a run with the default limit', rows },
      ],
      chart: {
        title:
          'sealdir migrate: messages/s in hundreds, and time of deliveries beside it as multiple of theirs alone',
        unit: 'x',
        bars: [
          { label: 'messages/s / 100', value: Number(usual?.['messages/s']) / 100, atLeast: AT_LEAST / 100 },
          ...rows.map((row) => ({
            label: `p50 beside / alone, ${row['messages/s']}/s`,
            value: Number(row['p50 ratio']),
            atMost: AT_MOST,
          })),
        ],
      },
      notes: [
        'Load generator: own. A ratio below 1 is noise: the machine was busier in the other half of a round.',
      ],
      leftOut: [],
    };
  },
};

interface Site {
  readonly bed: Bed;
  readonly server: Sealdir;
  readonly certificate: string;
}

/** Fills fresh mailboxes with `count` messages in clear. Resolves to their addresses. */
async function fill({ server, certificate }: Site, count: number): Promise<string[]> {
  const names = addresses(freshBase(), MAILBOXES);
  await server.addRecipients(names, certificate);
  const line = `${'X'.repeat(78)}\n`;
  const text = `From: <bench@example.org>\nTo: <bench@example.com>\nSubject: old\n\n${line.repeat(BYTES / line.length)}`;
  for (const name of names) {
    const maildir = server.maildir(name);
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(maildir, part), { recursive: true });
    for (let n = 0; n < count / MAILBOXES; n++)
      await writeFile(join(maildir, 'cur', `1700000000.M${n}P1.old:2,S`), text);
  }
  return names;
}

function startMigrate({ server }: Site, names: readonly string[], limit: string) {
  const options = names.flatMap((name) => ['--mailbox', name]);
  if (limit !== 'default') options.push('--limit', limit);
  return start(process.execPath, [CLI, 'migrate', '-c', server.config, ...options], { ready: () => true });
}

async function timeOf(site: Site, limit: string, count: number): Promise<Row> {
  const names = await fill(site, count);
  const before = performance.now();
  const running = await startMigrate(site, names, limit);
  let [peak, cpu] = [0, 0];
  const sampler = setInterval(() => {
    peak = Math.max(peak, peakRss(running.pid));
    cpu = Math.max(cpu, cpuMs(running.pid));
  }, SAMPLE_MS);
  const code = await running.ended;
  clearInterval(sampler);
  if (code !== 0) throw new Error(`migrate: exit ${code}: ${running.output()}`);
  return {
    limit,
    messages: count,
    'messages/s': short(count / ((performance.now() - before) / 1000)),
    'CPU ms/message': short(cpu / count),
    'highest RSS MiB': short(peak / 2 ** 20),
  };
}

function deliveries(site: Site, rate: number): Promise<Row> {
  return deliveriesBeside(site, rate, {
    name: 'migrate',
    // more than it seals in that time
    prepare: (seconds) => fill(site, FASTEST * (seconds + 4)),
    start: (names) => startMigrate(site, names, 'default'),
    hasEnded: (output) => output.includes(`${MAILBOXES} mailboxes:`),
  });
}
