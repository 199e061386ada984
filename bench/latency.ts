// Measures how long one delivery takes at half of the peak load, alone and beside a large message. See
// `about`.

import type { Bed } from './bed.ts';
import type { Bench, Row } from './bench.ts';
import { generate, type LoadReport } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { median, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

const SMALL = { bytes: 10_000, recipients: 1, mailboxes: 10 };
const LARGE = { bytes: 50_000_000, recipients: 1, mailboxes: 1, connections: 1 };
const PEAK_CONNECTIONS = 20;
/** More than are ever busy at half of the peak rate, so that no message waits for the generator. */
const OPEN_CONNECTIONS = 100;

export const latency: Bench = {
  name: 'latency',
  about: `Measures the time from MAIL to the last reply. Messages of 10 kB are due at regular times, at half of the rate that
20 busy connections have just reached. A message that finds all 100 connections taken waits, and its wait counts.
Then the same rate again, while another client sends messages of 50 MB, one after the other, as fast as they are
taken. Both take turns; median of the rounds of each.`,

  async run(bed) {
    const server = await startSealdir(bed);
    const base = freshBase();
    const large = freshBase();
    const certificate = await makeCertificate(BASE_KEY);
    await server.addRecipients([...addresses(base, SMALL.mailboxes), ...addresses(large, 1)], certificate);
    bed.progress('latency: peak');
    const peak = await peakOf(server, base, bed);
    const seconds = bed.pick(2.5, 20);
    const small = () =>
      generate({
        ...SMALL,
        mode: 'open',
        port: server.port,
        base,
        connections: OPEN_CONNECTIONS,
        rate: peak / 2,
        seconds,
      });
    const alone: LoadReport[] = [];
    const beside: LoadReport[] = [];
    let streamed = 0;
    for (let round = 0; round < bed.pick(3, 5); round++) {
      bed.progress(`latency: round ${round + 1}`);
      alone.push(await small());
      const order = {
        ...LARGE,
        mode: 'closed',
        port: server.port,
        base: large,
        count: 1e9,
        seconds,
      } as const;
      const [found, stream] = await Promise.all([small(), generate(order)]);
      beside.push(found);
      streamed += stream.messages;
    }
    await server.stop();
    const slower = median(beside.map(({ p99 }, at) => p99 / (alone[at]?.p99 ?? Number.NaN)));
    return {
      tables: [
        {
          title: `latency at ${short(peak / 2)} messages/s`,
          rows: [rowOf('alone', alone), rowOf('beside 50 MB', beside)],
        },
      ],
      chart: {
        title: 'p99 of small deliveries beside a stream of 50 MB messages, as multiple of p99 without',
        unit: 'x',
        bars: [{ label: 'p99 beside / alone', value: slower, atMost: 3 }],
      },
      notes: [
        `Peak of 20 connections: ${short(peak)} messages/s; ${streamed} messages of 50 MB were stored beside the small ones.`,
        `p99 beside the stream is ${short(slower)} times p99 alone. Load generator: own, a process for each client.`,
      ],
      leftOut: [],
    };
  },
};

/** Resolves to the rate of the second of two runs; the first one warms up. */
async function peakOf(server: Sealdir, base: string, bed: Bed): Promise<number> {
  const load = {
    ...SMALL,
    mode: 'closed',
    port: server.port,
    base,
    connections: PEAK_CONNECTIONS,
    count: 1e9,
  } as const;
  await generate({ ...load, seconds: bed.pick(1.5, 5) });
  const { messages, seconds } = await generate({ ...load, seconds: bed.pick(1.5, 5) });
  return messages / seconds;
}

function rowOf(what: string, reports: readonly LoadReport[]): Row {
  return {
    'small messages': what,
    'p50 ms': short(median(reports.map(({ p50 }) => p50))),
    'p99 ms': short(median(reports.map(({ p99 }) => p99))),
    'p99.9 ms': short(median(reports.map(({ p999 }) => p999))),
    messages: reports.reduce((sum, { messages }) => sum + messages, 0),
  };
}
