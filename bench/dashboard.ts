// Draws panels of the Grafana dashboard from what a real Prometheus answers about a busy server. See `about`.

import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { connectLmtp, deliver } from '../test/support/lmtp.ts';
import { hasProgram } from '../test/support/peers.ts';
import {
  asGrafanaAsks,
  type Panel,
  type Prometheus,
  dashboard as readDashboard,
  startPrometheus,
} from '../test/support/prometheus.ts';
import { makeKey } from '../test/support/testkeys.ts';
import type { Bed } from './bed.ts';
import type { Bench, Result } from './bench.ts';
import { generate } from './generate.ts';
import { type Graph, graphsToSvg } from './graphs.ts';
import { makeCertificate } from './keys.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

const PANELS = [
  'Messages',
  'Replies by code',
  'Deferred, by reason',
  'Refused, by reason',
  'Sealed copies',
  'Encryption of a copy',
  'Encryption, seconds per byte',
  'Disk',
  'In flight',
  'Event loop lag',
  'Room in the store',
  'Memory',
];
const DAY = 86_400;
const STEP_SECONDS = 1;
const RATE = '10s';

export const dashboard: Bench = {
  name: 'dashboard',
  about: `Loads a server of two processes in four phases: few connections, many, many with large messages beside them, and
few again. Meanwhile another client writes to an unknown recipient and to one whose key has expired, and asks for a
recipient without a message. A real Prometheus scrapes it each second; the picture is drawn
from its answers to the queries of config/grafana/sealdir.json.`,

  async run(bed): Promise<Result> {
    if (!hasProgram('prometheus')) return { ...EMPTY, leftOut: ['the picture: needs prometheus'] };
    const server = await startSealdir(bed, { toml: { processes: 2 } });
    const [first, second] = [freshBase(), freshBase()];
    await server.addRecipients(addresses(first, 20), await makeCertificate('cv25519, v1'));
    await server.addRecipients(addresses(second, 2), await makeCertificate('x25519 v6 key, v2 OCB'));
    const prometheus = await startPrometheus(await bed.directory('prometheus'), server.metrics);
    bed.atEnd(() => prometheus.stop());
    const from = Date.now() / 1000 + 3; // two scrapes make a rate
    await sendInPhases(bed, server, { first, second });
    const to = Date.now() / 1000;
    const graphs: Graph[] = [];
    for (const panel of readDashboard().panels.filter(({ title }) => PANELS.includes(title)))
      graphs.push(await ask(prometheus, panel, { from, to }));
    await prometheus.stop();
    await server.stop();
    return {
      tables: [
        { title: 'panels', rows: graphs.map(({ title, lines }) => ({ panel: title, lines: lines.length })) },
      ],
      chart: graphsToSvg(`Sealdir under load for ${Math.round(to - from)} seconds`, graphs),
      notes: ['The lines are what Prometheus answered; nothing is drawn that it did not.'],
      leftOut: [],
    };
  },
};

const EMPTY = { tables: [], chart: { title: 'nothing', unit: '', bars: [] }, notes: [] };

async function sendInPhases(bed: Bed, server: Sealdir, bases: { first: string; second: string }) {
  const seconds = bed.pick(6, 30);
  const load = (base: string, mailboxes: number, connections: number, bytes: number) => {
    const common = { mode: 'closed', port: server.port, recipients: 1, count: 1e9, seconds } as const;
    return generate({ ...common, base, mailboxes, connections, bytes });
  };
  const few = () => load(bases.first, 20, 1, 4_000);
  const many = () => load(bases.first, 20, 20, 10_000);
  const large = () => load(bases.second, 2, 2, 4_000_000);
  let isOver = false;
  const odd = sendOddMail(server, bases.first, () => isOver);
  for (const phase of [[few], [many], [many, large], [few]]) {
    bed.progress(`dashboard: ${phase.length} generators`);
    await Promise.all(phase.map((send) => send()));
  }
  isOver = true;
  await odd;
}

/** Some mail a second that is not simply stored. */
async function sendOddMail(server: Sealdir, base: string, isOver: () => boolean): Promise<void> {
  const [known = ''] = addresses(base, 1);
  const expired = 'expired@example.com';
  const yearAgo = new Date(Date.now() - 365 * DAY * 1000);
  await server.addRecipients(
    [expired],
    (await makeKey(expired, { expiresAfter: DAY, date: yearAgo })).certificate,
  );
  while (!isOver()) {
    const session = await connectLmtp(server.port);
    await session.reply();
    await session.say('LHLO odd.example');
    const message = Buffer.from(`Subject: ${performance.now()}\r\n\r\nx\r\n`);
    await deliver(session, { to: [known], message });
    await deliver(session, { to: ['nobody@example.com'], message });
    await session.say('RSET');
    await deliver(session, { to: [expired], message });
    await session.say('RSET');
    await session.say('MAIL FROM:<>');
    await session.say('RCPT TO:<somebody@example.com>');
    await session.say('QUIT');
    await session.vanish();
    await pause(200);
  }
}

async function ask(
  prometheus: Prometheus,
  { title, fieldConfig, targets }: Panel,
  { from, to }: { from: number; to: number },
): Promise<Graph> {
  const answers = targets.map(async ({ expr, legendFormat }) => {
    const query = asGrafanaAsks(expr, RATE);
    const found = await prometheus.queryRange(query, { from, to, step: STEP_SECONDS });
    return found.map(({ metric, values }) => ({
      label: labelOf(legendFormat, metric),
      points: values.map(([at, value]) => [at - from, Number(value)] as const),
    }));
  });
  return {
    title,
    unit: fieldConfig.defaults.unit,
    seconds: to - from,
    lines: (await Promise.all(answers)).flat(),
  };
}

/** There is one instance. */
function labelOf(legend: string, metric: Readonly<Record<string, string>>): string {
  return legend
    .replace(/^\{\{instance\}\}$/, 'Sealdir')
    .replace(', {{instance}}', '')
    .replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => metric[name] ?? '');
}
