// Measures what a scrape of /metrics costs. See `about`.

import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Row } from './bench.ts';
import { generate } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { cpuMicroseconds } from './proc.ts';
import { median, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

const LOAD = { bytes: 10_000, recipients: 1, mailboxes: 20, connections: 20 };
const WINDOW_MS = 1000;
const SETTLE_MS = 3000;
const AT_MOST_PERCENT = 1;

export const scrape: Bench = {
  name: 'scrape',
  about: `Measures the CPU time that a server of two processes needs for a scrape of /metrics each second, which is as often
as it makes its figures anew. Windows of a second with one scrape and with none take turns. While 20 connections keep
both cores busy with messages of 10 kB: CPU time per message, median of each kind. Before and after that: CPU time of
the idle server, as a share of two cores.`,

  async run(bed) {
    const server = await startSealdir(bed, { toml: { processes: 2 } });
    const base = freshBase();
    await server.addRecipients(addresses(base, LOAD.mailboxes), await makeCertificate(BASE_KEY));
    const pairs = bed.pick(10, 120);
    const watch = async (what: string, each: number) => {
      bed.progress(`scrape: ${what}`);
      await pause(SETTLE_MS);
      return takeTurns(server, each);
    };
    const cold = await watch('idle, cold', Math.ceil(pairs / 4));
    const seconds = 2 * pairs * (WINDOW_MS / 1000) + bed.pick(10, 30);
    const order = { ...LOAD, mode: 'closed', port: server.port, base, count: 1e9 } as const;
    const loading = generate({ ...order, seconds });
    await pause(bed.pick(2000, 15_000)); // until it is warm
    const busy = await watch('busy', pairs);
    await loading;
    const warm = await watch('idle, warm', Math.ceil(pairs / 4));
    await server.stop();
    const idle = [rowOf('idle, cold', cold), rowOf('idle, warm', warm)];
    const without = median(busy.without.map(perMessage));
    const withOne = median(busy.withOne.map(perMessage));
    const more = (withOne / without - 1) * 100;
    const ofCores = Math.max(...idle.map((row) => Number(row['% of two cores'])));
    return {
      tables: [
        { title: 'an idle server', rows: idle },
        {
          title: 'a busy server',
          rows: [
            {
              windows: pairs,
              'cores busy': short(median(busy.without.map(({ us, ms }) => us / 1000 / ms))),
              'CPU us/message': short(without),
              'scraped: CPU us/message': short(withOne),
              'more %': Number(more.toFixed(2)),
            },
          ],
        },
      ],
      chart: {
        title: 'CPU time of a scrape each second',
        unit: '%',
        bars: [
          { label: 'idle: share of two cores', value: ofCores, atMost: AT_MOST_PERCENT },
          { label: 'busy: more CPU per message', value: Math.max(more, 0), atMost: AT_MOST_PERCENT },
        ],
      },
      notes: [
        `Busy, CPU time per message changes by ${more.toFixed(2)} % with a scrape each second. Own load generator.`,
        'Where the machine has other work, that is noise of some per cent; the idle server shows what a scrape needs.',
      ],
      leftOut: [],
    };
  },
};

interface Window {
  readonly ms: number;
  readonly us: number;
  readonly messages: number;
}

interface Windows {
  readonly without: readonly Window[];
  readonly withOne: readonly Window[];
}

function perMessage({ us, messages }: Window): number {
  return us / messages;
}

function rowOf(server: string, { without, withOne }: Windows): Row {
  const us = median(withOne.map((each) => each.us)) - median(without.map((each) => each.us));
  return {
    server,
    windows: without.length,
    'ms/scrape': short(us / 1000),
    '% of two cores': Number(((us / 1000 / (2 * WINDOW_MS)) * 100).toFixed(3)),
  };
}

async function takeTurns(server: Sealdir, pairs: number): Promise<Windows> {
  const without: Window[] = [];
  const withOne: Window[] = [];
  for (let n = 0; n < pairs; n++) {
    // A B B A: a drift falls on both alike
    const order = n % 2 === 0 ? [without, withOne] : [withOne, without];
    for (const windows of order) windows.push(await watchWindow(server, windows === withOne));
  }
  return { without, withOne };
}

async function watchWindow(server: Sealdir, isScraped: boolean): Promise<Window> {
  const [startedAt, before, sent] = [performance.now(), cpuMicroseconds(server.pid), server.answered()];
  if (isScraped) await (await fetch(`http://${server.metrics}/metrics`)).text();
  await pause(WINDOW_MS - (performance.now() - startedAt));
  return {
    ms: performance.now() - startedAt,
    us: cpuMicroseconds(server.pid) - before,
    messages: server.answered() - sent,
  };
}
