// Several processes on one socket: all of them deliver, one that dies is replaced, and the numbers add up.

import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ChildServer, CLI, childrenOf, startChild } from '../support/child.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

const metric = async (server: ChildServer, name: string) => {
  const text = await (await fetch(`${server.metrics()}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
};

test('F16: two workers share a socket; one that is killed is replaced and nothing acknowledged is lost', {
  timeout: 240_000,
}, async () => {
  const key = await makeKey(ALICE);
  const server = await startChild({ keys: { [ALICE]: key.certificate }, toml: { processes: 2 } });
  const send = async (count: number) => {
    const sessions = await Promise.all(Array.from({ length: count }, () => openSession(server.socketPath)));
    const results = await Promise.all(
      sessions.map((session) => deliver(session, { to: [ALICE], message: MESSAGE })),
    );
    assert.ok(results.every(({ final }) => final[0]?.startsWith('250 2.0.0 ')));
    await Promise.all(sessions.map((session) => session.vanish()));
  };
  try {
    const before = server.workers();
    assert.equal(before.length, 2);
    await send(10);
    const stored = await readdir(join(server.directory, 'mail/example.com/alice/new'));
    const pids = new Set(stored.map((name) => Number(/P(\d+)Q/.exec(name)?.[1])));
    assert.deepEqual([...pids].sort(), [...before].sort(), 'both have delivered');
    assert.equal(await metric(server, 'sealdir_messages_total\\{verdict="stored"\\}'), 10);

    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    await until(
      'there are two again',
      () => server.workers().length === 2 && !server.workers().includes(victim),
    );
    await until('it is counted', async () => (await metric(server, 'sealdir_workers_replaced_total')) === 1);
    await send(10);
    const all = await readdir(join(server.directory, 'mail/example.com/alice/new'));
    assert.equal(all.length, 20);
    assert.ok(stored.every((name) => all.includes(name)));
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

testLong(
  'F16: a worker that dies in the middle of messages leaves its own unacknowledged, and no others',
  {
    timeout: 240_000,
  },
  async () => {
    const key = await makeKey(ALICE);
    const server = await startChild({ keys: { [ALICE]: key.certificate }, toml: { processes: 2 } });
    const maildir = join(server.directory, 'mail/example.com/alice');
    const large = messageOfSize(1_000_000);
    const begin = async () => {
      const session = await openSession(server.socketPath);
      await session.say('MAIL FROM:<>');
      await session.say(`RCPT TO:<${ALICE}>`);
      await session.say('DATA');
      session.write(large);
      return session;
    };
    const workersOf = (names: readonly string[]) => names.map((name) => Number(/P(\d+)Q/.exec(name)?.[1]));
    try {
      const sessions = [];
      // Goes on until both workers have a message under way, part of which is in tmp/.
      let staged: string[] = [];
      while (new Set(workersOf(staged)).size < 2 && sessions.length < 20) {
        sessions.push(await begin());
        await until('a part is on disk', async () => {
          staged = await readdir(join(maildir, 'tmp')).catch(() => []);
          return staged.length === sessions.length;
        });
      }
      const [victim = 0] = workersOf(staged);
      const lost = staged.filter((_, n) => workersOf(staged)[n] === victim);
      assert.ok(lost.length < staged.length);
      process.kill(victim, 'SIGKILL');
      await until('it has gone', () => !server.workers().includes(victim));
      const replies = await Promise.all(
        sessions.map((session) => {
          session.write('.\r\n');
          return session.reply();
        }),
      );
      const acknowledged = replies.filter((reply) => reply.startsWith('250 2.0.0 '));
      assert.equal(acknowledged.length, staged.length - lost.length);
      assert.equal(replies.filter((reply) => reply === '').length, lost.length, 'closed without a word');
      // the parts of the dead worker stay in tmp/ for the sweep; nothing of them is in new/
      assert.deepEqual((await readdir(join(maildir, 'tmp'))).sort(), lost.sort());
      const stored = await readdir(join(maildir, 'new'));
      assert.equal(stored.length, acknowledged.length);
      assert.ok(!workersOf(stored).includes(victim));
      await Promise.all(sessions.map((session) => session.vanish()));
      const again = await openSession(server.socketPath);
      assert.match((await deliver(again, { to: [ALICE], message: large })).final[0] ?? '', /^250 2\.0\.0 /);
      await again.vanish();
    } finally {
      assert.equal(await server.stop(), 0);
    }
  },
);

testLong('a stop does not wait for a worker that is only just starting', { timeout: 240_000 }, async () => {
  const server = await startChild({ toml: { processes: 2 } });
  const before = server.workers();
  process.kill(before[0] ?? 0, 'SIGKILL');
  const isNew = () => server.workers().some((pid) => !before.includes(pid));
  await until('another one is on its way', isNew);
  assert.equal(await server.stop(), 0);
});

testLong(
  'a stop lets a worker finish its delivery, and the others end at once',
  {
    timeout: 240_000,
  },
  async () => {
    const key = await makeKey(ALICE);
    const server = await startChild({ keys: { [ALICE]: key.certificate }, toml: { processes: 2 } });
    const busy = await openSession(server.socketPath);
    await busy.say('MAIL FROM:<>');
    await busy.say(`RCPT TO:<${ALICE}>`);
    await busy.say('DATA');
    server.process.signal('SIGTERM');
    await until('one worker is left', () => server.workers().length === 1);
    busy.write('Subject: last\r\n\r\nlast\r\n.\r\n');
    assert.match(await busy.reply(), /^250 2\.0\.0 /);
    assert.equal(await server.stop(), 0);
  },
);

testLong('without their primary the workers finish what they have begun', { timeout: 240_000 }, async () => {
  const key = await makeKey(ALICE);
  const server = await startChild({ keys: { [ALICE]: key.certificate }, toml: { processes: 2 } });
  const busy = await openSession(server.socketPath);
  await busy.say('MAIL FROM:<>');
  await busy.say(`RCPT TO:<${ALICE}>`);
  await busy.say('DATA');
  // only the primary is killed here; server.stop() ends the workers
  process.kill(server.process.pid, 'SIGKILL');
  busy.write('Subject: last\r\n\r\nlast\r\n.\r\n');
  assert.match(await busy.reply(), /^250 2\.0\.0 /);
  assert.match(await busy.reply(), /^421 4\.3\.2 /);
  await busy.vanish();
  await server.stop();
});

testLong(
  'a start succeeds while /metrics is asked for from the first moment on',
  {
    timeout: 240_000,
  },
  async () => {
    const site = await makeSite({ [ALICE]: (await makeKey(ALICE)).certificate });
    const metrics = join(site, 'metrics.sock');
    const config = join(site, 'sealdir.toml');
    const toml = tomlFor(site, { toml: { processes: 2 } });
    await writeFile(
      config,
      toml.replace('[metrics]\nlisten = "127.0.0.1:0"', `[metrics]\nlisten = "${metrics}"`),
    );
    let asked = 0;
    const asking = setInterval(() => {
      const socket = createConnection(metrics, () => asked++);
      socket.on('error', () => undefined); // the server does not listen yet
      socket.end('GET /metrics HTTP/1.0\r\n\r\n');
      socket.resume();
    }, 5);
    const ready = (output: string) => output.includes('"msg":"listening"');
    try {
      const server = await start(process.execPath, [CLI, 'serve', '-c', config], { ready });
      assert.match(server.output(), /"lmtp":\["[^"]+lmtp\.sock"/);
      assert.ok(asked > 0);
      const session = await openSession(join(site, 'lmtp.sock'));
      assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
      await session.vanish();
      assert.equal(await server.stop(), 0);
    } finally {
      clearInterval(asking);
      await rm(site, { recursive: true, force: true });
    }
  },
);

testLong(
  'what Node itself says in a worker, of a crash for instance, is a line of the log with its pid',
  {
    timeout: 240_000,
  },
  async () => {
    const site = await makeSite({ [ALICE]: (await makeKey(ALICE)).certificate });
    const config = join(site, 'sealdir.toml');
    await writeFile(config, tomlFor(site, { toml: { processes: 2 } }));
    const ready = (output: string) => output.includes('"msg":"listening"');
    // makes Node write about sockets, which it does as soon as a worker has one
    const env = { NODE_DEBUG: 'net' };
    const server = await start(process.execPath, [CLI, 'serve', '-c', config], { ready, env });
    try {
      const workers = childrenOf(server.pid);
      for (let each = 0; each < 2; each++) await (await openSession(join(site, 'lmtp.sock'))).vanish();
      await until('both have said something', () => {
        const lines = server
          .output()
          .split('\n')
          .filter((line) => line.includes('"worker says on standard error"'));
        const said = new Set(lines.map((line) => (JSON.parse(line) as { pid: number }).pid));
        return workers.length === 2 && workers.every((pid) => said.has(pid));
      });
    } finally {
      assert.equal(await server.stop(), 0);
      await rm(site, { recursive: true, force: true });
    }
  },
);

testLong('a fault at start ends all processes with one message', { timeout: 240_000 }, async () => {
  const first = await startChild({ toml: { processes: 2 } });
  const { port } = await fetch(`${first.metrics()}/metrics`).then(() => new URL(first.metrics()));
  await assert.rejects(
    startChild({ toml: { processes: 2, rest: `[log]\nlevel = "info"\n` }, tcpPort: Number(port) }),
    /EADDRINUSE/,
  );
  assert.equal(await first.stop(), 0);
});
