// /metrics of a server as a process: workers that are stopped, die or are starting, clients that ask without
// end, and the form of what is served.

import assert from 'node:assert/strict';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { TARGET, underAttack } from '../support/attack.ts';
import { type ChildServer, CLI, childrenOf, startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
const TWO = { keys: { [ALICE]: KEY.certificate }, toml: { processes: 2 } };

async function scrape(server: ChildServer): Promise<string> {
  const response = await fetch(`${server.metrics()}/metrics`);
  assert.equal(response.status, 200);
  return response.text();
}

function seriesValue(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}

const STORED = 'sealdir_messages_total{verdict="stored"}';

/** Delivers so many messages, each in a session of its own: they go to one worker after the other. */
async function send(server: ChildServer, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const session = await openSession(server.socketPath);
    assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 2\.0\.0 /);
    await session.vanish();
  }
}

testLong(
  'F22: a worker that is stopped counts with its last figures, /metrics answers soon and says so, and mail goes on',
  {
    timeout: 240_000,
  },
  async (t) => {
    const server = await startChild(TWO);
    const [victim = 0] = server.workers();
    try {
      await send(server, 6);
      await until('all are counted', async () => seriesValue(await scrape(server), STORED) === 6);
      process.kill(victim, 'SIGSTOP');
      let tookMs = 0;
      await until('it is noticed', async () => {
        const startedAt = performance.now();
        const text = await scrape(server);
        tookMs = Math.max(tookMs, performance.now() - startedAt);
        assert.ok(seriesValue(text, STORED) >= 6);
        return seriesValue(text, 'sealdir_workers_silent') === 1;
      });
      t.diagnostic(`/metrics answered within ${Math.round(tookMs)} ms`);
      assert.ok(tookMs < 3000, `${tookMs} ms`);
      // the stopped worker may get one connection, and is passed over from then on
      const one = () => openSession(server.socketPath);
      const session = await Promise.any([one(), one(), one()]);
      assert.match(
        (await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '',
        /^250 2\.0\.0 /,
      );
      await session.vanish();
      await until('the other one is counted', async () => seriesValue(await scrape(server), STORED) === 7);
      process.kill(victim, 'SIGCONT');
      await until(
        'it answers',
        async () => seriesValue(await scrape(server), 'sealdir_workers_silent') === 0,
      );
    } finally {
      process.kill(victim, 'SIGCONT');
      assert.equal(await server.stop(), 0);
    }
  },
);

testLong(
  'F16: what a worker has counted is still there after its death, and no count falls',
  {
    timeout: 240_000,
  },
  async () => {
    const server = await startChild(TWO);
    try {
      for (let round = 1; round <= (isLong ? 2 : 1); round++) {
        await send(server, 6);
        await until('all are counted', async () => seriesValue(await scrape(server), STORED) === 6 * round);
        process.kill(server.workers()[0] ?? 0, 'SIGKILL');
        await until('it is replaced, and nothing has fallen', async () => {
          const text = await scrape(server);
          assert.equal(seriesValue(text, STORED), 6 * round);
          return (
            seriesValue(text, 'sealdir_workers_replaced_total') === round && server.workers().length === 2
          );
        });
      }
    } finally {
      assert.equal(await server.stop(), 0);
    }
  },
);

/** Starts a server of two workers, and kills the first so many of them before any has served. */
async function startKilling(count: number) {
  const directory = await makeSite({ [ALICE]: KEY.certificate });
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, TWO));
  const server = await start(process.execPath, [CLI, 'serve', '-c', config], { ready: () => true });
  const killed = new Set<number>();
  await until('they are killed', () => {
    for (const pid of childrenOf(server.pid)) {
      if (killed.size === count || killed.has(pid)) continue;
      process.kill(pid, 'SIGKILL');
      killed.add(pid);
    }
    return killed.size === count;
  });
  assert.ok(!server.output().includes('"msg":"listening"'));
  return { directory, server };
}

for (const count of isLong ? [1, 2] : [2]) {
  testLong(
    `F24: a server of two workers of which ${count} die while they start is there a little later`,
    {
      timeout: 240_000,
    },
    async () => {
      const { directory, server } = await startKilling(count);
      try {
        await until('it listens', () => server.output().includes('"msg":"listening"'), 30_000);
        await until('there are two', () => childrenOf(server.pid).length === 2);
        const session = await openSession(join(directory, 'lmtp.sock'));
        assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
        await session.vanish();
      } finally {
        assert.equal(await server.stop(), 0);
        await rm(directory, { recursive: true, force: true });
      }
    },
  );
}

testLong(
  'a server whose workers have died while they started is stopped by SIGTERM before there are others',
  {
    timeout: 240_000,
  },
  async () => {
    const { directory, server } = await startKilling(2);
    server.signal('SIGTERM');
    assert.equal(await server.ended, 0);
    assert.ok(!server.output().includes('"msg":"listening"'));
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  },
);

test('a probe by RCPT without DATA is not counted as refused, nor as a message; with DATA it is', {
  timeout: 240_000,
}, async () => {
  const server = await startChild({ ...TWO, toml: { processes: 1 } });
  const counted = async () =>
    [...(await scrape(server)).matchAll(/^sealdir_(?:recipients|messages)_total(.*)$/gm)]
      .map(([, series]) => series)
      .sort();
  try {
    for (const end of ['RSET', 'QUIT', 'LHLO again.example', '']) {
      const session = await openSession(server.socketPath);
      await session.say('MAIL FROM:<>');
      assert.match(await session.say('RCPT TO:<nobody@example.com>'), /^550 5\.1\.1 /);
      assert.match(await session.say(`RCPT TO:<${ALICE}>`), /^250 /);
      if (end !== '') await session.say(end);
      await session.vanish();
    }
    const probed = (count: number) => `{verdict="probed",why="unknownRecipient"} ${count}`;
    await until('the probes are counted', async () => (await counted()).includes(probed(4)));
    assert.deepEqual(await counted(), [probed(4)]);

    const session = await openSession(server.socketPath);
    await session.say('MAIL FROM:<sender@example.org>');
    await session.say('RCPT TO:<nobody@example.com>');
    assert.match(await session.say('DATA'), /^503 /);
    await session.say('RSET');
    await deliver(session, { to: ['nobody@example.com', ALICE], message: MESSAGE });
    await session.vanish();
    await until('they are counted', async () => seriesValue(await scrape(server), STORED) === 1);
    assert.deepEqual(await counted(), [
      probed(4),
      '{verdict="refused",why="unknownRecipient"} 2',
      '{verdict="stored",why="stored"} 1',
      '{verdict="stored"} 1',
    ]);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

for (const processes of isLong ? [1, 2] : [2]) {
  test(`${processes} processes: replies, sealed copies, room and versions are told, and add up`, {
    timeout: 240_000,
  }, async () => {
    const server = await startChild({ ...TWO, toml: { processes } });
    try {
      await send(server, 6);
      await until('all are counted', async () => seriesValue(await scrape(server), STORED) === 6);
      const text = await scrape(server);
      const value = (series: string) => seriesValue(text, series);
      assert.equal(value('sealdir_replies_total{code="250",enhanced="2.0.0"}'), 6);
      assert.equal(value('sealdir_replies_total{code="354",enhanced=""}'), 6);
      assert.equal(value('sealdir_replies_total{code="220",enhanced=""}'), 6);
      const [, seipd = ''] = /^sealdir_sealed_copies_total\{seipd="([12])"\} 6$/m.exec(text) ?? [];
      const { length } = MESSAGE;
      const literal = value(`sealdir_sealed_bytes_total{seipd="${seipd}"}`) / 6;
      assert.ok(literal >= length && literal < length + 300, `${literal} bytes of ${length}`);
      const seconds = value(`sealdir_sealed_seconds_total{seipd="${seipd}"}`);
      assert.ok(seconds > 0 && seconds < 6, `${seconds} s`);
      const { bavail, bsize } = await statfs(server.directory);
      const free = value('sealdir_store_free_bytes');
      assert.ok(free > (bavail * bsize) / 2 && free < bavail * bsize * 2, `${free} bytes`);
      assert.match(
        text,
        /^sealdir_build_info\{version="\d+\.\d+\.\d+",node="\d[^"]*",openpgp="\d[^"]*",openssl="\d[^"]*"\} 1$/m,
      );
      assert.equal(text.match(/^nodejs_version_info\{.*\} 1$/gm)?.length, 1);
      const now = Date.now() / 1000;
      const started = value('process_start_time_seconds');
      assert.ok(started > now - 60 && started <= now + 1, `started at ${started}, now ${now}`);
    } finally {
      assert.equal(await server.stop(), 0);
    }
  });
}

const FLOOD = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1800);

for (const processes of isLong ? [1, 2] : [1]) {
  const name = processes === 1 ? 'one process' : 'two workers';

  test(
    `F25: ${name}: connections with 66 kB of requests for /metrics each hold up no mail`,
    {
      timeout: 480_000,
    },
    (t) =>
      underAttack(t, { toml: { processes } }, async (server) => {
        const { port } = new URL(server.metrics());
        const flood = async () => {
          const socket = connect(Number(port), '127.0.0.1');
          socket.on('error', () => undefined);
          socket.resume();
          socket.write(FLOOD);
          await new Promise((resolve) => socket.once('close', resolve));
        };
        for (let round = 0; round < (isLong ? 6 : 2); round++)
          await Promise.all(Array.from({ length: 8 }, flood));
        const session = await openSession(server.socketPath);
        assert.match((await deliver(session, { to: [TARGET], message: MESSAGE })).final[0] ?? '', /^250 /);
        await session.vanish();
      }),
  );
}

for (const processes of isLong ? [1, 2] : [1]) {
  test(`${processes} process(es): promtool finds nothing to complain about in /metrics, after deliveries of each verdict`, {
    ...needs('promtool'),
    timeout: 240_000,
  }, async () => {
    const server = await startChild({ ...TWO, toml: { processes } });
    try {
      await send(server, 3);
      const session = await openSession(server.socketPath);
      await deliver(session, { to: ['nobody@example.com'], message: MESSAGE });
      await session.vanish();
      await until('they are counted', async () => seriesValue(await scrape(server), STORED) === 3);
      const text = await scrape(server);
      assert.match(text, /^sealdir_recipients_total\{verdict="refused",why="unknownRecipient"\} 1$/m);
      const { code, stdout, stderr } = await run('promtool', ['check', 'metrics'], { stdin: text });
      assert.equal(`${stdout}${stderr}`, '');
      assert.equal(code, 0);
    } finally {
      assert.equal(await server.stop(), 0);
    }
  });
}
