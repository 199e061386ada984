// A real Prometheus scrapes a real Sealdir with mail of each kind, and answers every query of the dashboard
// and of the rules, with data. The server has two processes and shows a certificate, so nothing is missing.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChildServer, startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { asGrafanaAsks, dashboard, type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { makeKey } from '../support/testkeys.ts';
import { openAuthority } from '../support/tls.ts';
import { until } from '../support/until.ts';

const DAY = 86_400;
const [OLD, NEW, GONE] = ['old@example.com', 'new@example.com', 'gone@example.com'];
const LARGE = Buffer.concat([Buffer.from('Subject: large\r\n\r\n'), Buffer.alloc(600_000, 'x\r\n')]);
const AGAIN = Buffer.from('Message-ID: <1@example.com>\r\nSubject: again\r\n\r\nx\r\n');

const yearAgo = () => new Date(Date.now() - 365 * DAY * 1000);

/** Sends messages of each kind until `isOver`: stored, sent again, deferred, refused, asked for only. */
async function sendAll(server: ChildServer, isOver: () => boolean): Promise<void> {
  for (let n = 0; !isOver(); n++) {
    const session = await openSession(server.socketPath);
    const message = Buffer.from(`Message-ID: <${n}@example.org>\r\nSubject: ${n}\r\n\r\nx\r\n`);
    await deliver(session, { to: [OLD, NEW, GONE, 'nobody@example.com'], message });
    await deliver(session, { to: [NEW], message: n % 10 === 0 ? LARGE : AGAIN });
    await session.say('MAIL FROM:<>');
    await session.say('RCPT TO:<nobody@example.com>');
    await session.say('QUIT');
    await session.vanish();
  }
}

interface Watched {
  readonly prometheus: Prometheus;
  readonly server: ChildServer;
  /** Ends the mail. */
  silence(): Promise<void>;
}

async function watchBusyServer(act: (watched: Watched) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-prometheus-'));
  const { pem, key } = await (await openAuthority(directory)).certify('mx.example.com');
  const server = await startChild({
    keys: {
      [OLD]: (await makeKey(OLD, { expiresAfter: 400 * DAY, date: yearAgo() })).certificate,
      [NEW]: (await makeKey(NEW, { version: 6 })).certificate,
      [GONE]: (await makeKey(GONE, { expiresAfter: DAY, date: yearAgo() })).certificate,
    },
    toml: {
      processes: 2,
      duplicates: '1h',
      rest: `[tls]\ncertificate = [${JSON.stringify(pem)}]\nkey = [${JSON.stringify(key)}]`,
    },
  });
  const prometheus = await startPrometheus(directory, new URL(server.metrics()).host);
  let isOver = false;
  const sending = sendAll(server, () => isOver);
  const silence = () => {
    isOver = true;
    return sending;
  };
  try {
    await act({ prometheus, server, silence });
  } finally {
    await silence().catch(() => {}); // told by the queries that then found nothing
    await prometheus.stop();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

testLong(
  'a real Prometheus answers every query of the dashboard and of the rules, with data; and notices an end',
  {
    ...needs('prometheus', 'openssl'),
    timeout: 480_000,
  },
  async (t) => {
    await watchBusyServer(async ({ prometheus, server, silence }) => {
      const startedAt = Date.now();
      const hasData = async (query: string) => {
        const found = await prometheus.query(query); // throws where the query is wrong
        return found.some(({ value: [, value] }) => Number.isFinite(Number(value)));
      };
      const queries = dashboard().panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
      assert.ok(queries.length > 30);
      for (const query of queries) await until(query, () => hasData(asGrafanaAsks(query, '10s')), 30_000);
      const rules = await prometheus.rules();
      for (const { name } of rules.filter(({ type }) => type === 'recording'))
        await until(name, () => hasData(name), 30_000);
      await until('all rules are evaluated', async () =>
        (await prometheus.rules()).every(({ health }) => health !== 'unknown'),
      );
      for (const { name, health, lastError } of await prometheus.rules())
        assert.equal(health, 'ok', `${name}: ${lastError}`);
      t.diagnostic(`all is answered ${Date.now() - startedAt} ms after the start`);

      // two versions of SEIPD, all verdicts, the sums of two processes
      const labels = async (query: string, label: string) =>
        (await prometheus.query(query)).map(({ metric }) => metric[label]).sort();
      assert.deepEqual(await labels('sealdir_sealed_copies_total', 'seipd'), ['1', '2']);
      const verdicts = await labels('sum by (verdict) (sealdir_recipients_total)', 'verdict');
      assert.deepEqual(verdicts, ['deferred', 'probed', 'refused', 'stored']);
      const loud = (await prometheus.rules())
        .filter(({ state }) => state === 'firing')
        .map(({ name }) => name);
      assert.deepEqual(loud, []);

      await silence();
      await server.process.stop();
      await until('SealdirDown is pending', async () =>
        (await prometheus.rules()).some(({ name, state }) => name === 'SealdirDown' && state === 'pending'),
      );
    });
  },
);
