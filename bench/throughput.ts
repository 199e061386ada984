// Measures how fast Sealdir delivers as one thing changes at a time. See `about`.

import type { Bar, Bench, Row } from './bench.ts';
import { BASE_KEY, type KeyKind, makeCertificate, OTHER_KEYS } from './keys.ts';
import { measure, type Rate, short, warmUp } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

interface Case {
  readonly bytes: number;
  readonly recipients: number;
  readonly connections: number;
  readonly mailboxes: number;
  readonly key: KeyKind;
}

const BASE: Case = { bytes: 10_000, recipients: 1, connections: 20, mailboxes: 10, key: BASE_KEY };

function casesFor(mailboxes: number): [dimension: string, value: string, Case][] {
  return [
    ['base', '10 kB, 1 recipient, 20 connections, 10 mailboxes, cv25519 v1', BASE],
    ['size', '1 kB', { ...BASE, bytes: 1_000 }],
    ['size', '100 kB', { ...BASE, bytes: 100_000 }],
    ['size', '1 MB', { ...BASE, bytes: 1_000_000 }],
    ['size', '10 MB', { ...BASE, bytes: 10_000_000 }],
    ['recipients', '10', { ...BASE, recipients: 10 }],
    ['recipients', '50', { ...BASE, recipients: 50, mailboxes: 50 }],
    ['connections', '1', { ...BASE, connections: 1 }],
    ['connections', '200', { ...BASE, connections: 200 }],
    ['mailboxes', '1', { ...BASE, mailboxes: 1 }],
    ['mailboxes', String(mailboxes), { ...BASE, mailboxes }],
    ...OTHER_KEYS.map((key): [string, string, Case] => ['key', key, { ...BASE, key }]),
  ];
}

export const throughput: Bench = {
  name: 'throughput',
  about: `Measures messages per second and CPU time of the server (user and system, all its processes) per message, over TCP
on the loopback. One thing at a time differs from the base: 10 kB, 1 recipient, 20 connections, 10 mailboxes, Cv25519
and SEIPD v1. Each row has fresh mailboxes and keys on the same warm server; in the row of many mailboxes each one has
been delivered to before. 1000 / (CPU ms/message) is what one core could do if the load generator were elsewhere.`,

  async run(bed) {
    const server = await startSealdir(bed);
    await rateOf(server, BASE, bed.pick(2, 5)); // not counted: V8 compiles what runs often
    const rows: Row[] = [];
    const bars: Bar[] = [];
    let base: Rate | undefined;
    for (const [dimension, value, what] of casesFor(bed.pick(1_000, 10_000))) {
      bed.progress(`throughput: ${dimension} ${value}`);
      const rate = await rateOf(server, what, bed.pick(0.8, 5));
      base ??= rate;
      rows.push(rowOf(dimension, value, what, rate));
      if (dimension !== 'base')
        bars.push({ label: `${dimension} ${value}`, value: rate.perSecond / base.perSecond });
    }
    await server.stop();
    return {
      tables: [{ title: 'throughput', rows }],
      chart: {
        title: `Messages a second, as multiple of the base (${short(base?.perSecond ?? 0)}/s)`,
        unit: 'x',
        bars,
      },
      notes: ['A message of N recipients is stored N times: copies/s is the number to compare there.'],
      leftOut: [],
    };
  },
};

async function rateOf(server: Sealdir, { key, ...load }: Case, seconds: number): Promise<Rate> {
  const base = freshBase();
  await server.addRecipients(addresses(base, load.mailboxes), await makeCertificate(key));
  const target = { ...load, port: server.port, base };
  const expected = await warmUp(target);
  return measure(server, target, expected, seconds);
}

function rowOf(dimension: string, value: string, what: Case, rate: Rate): Row {
  const copies = rate.perSecond * what.recipients;
  return {
    dimension,
    value,
    'messages/s': short(rate.perSecond),
    'copies/s': short(copies),
    'MB/s': short((copies * what.bytes) / 1e6),
    'CPU ms/message': short(rate.cpuMsPerMessage),
    'server cores': short(rate.cores),
    messages: rate.messages,
    generator: rate.generator,
  };
}
