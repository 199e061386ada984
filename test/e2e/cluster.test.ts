// Several processes behind one socket: all deliver, a dead one is replaced, the numbers add up.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ChildServer, startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

const metric = async (server: ChildServer, name: string) => {
  const text = await (await fetch(`${server.metrics()}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
};

test('two workers share a socket; one that is killed is replaced and nothing acknowledged is lost', {
  timeout: 60_000,
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

test('a stop lets the worker finish its delivery and the others go at once', {
  timeout: 60_000,
}, async () => {
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
});

test('a fault at start ends all of it with one message', { timeout: 60_000 }, async () => {
  const first = await startChild({ toml: { processes: 2 } });
  const { port } = await fetch(`${first.metrics()}/metrics`).then(() => new URL(first.metrics()));
  await assert.rejects(
    startChild({ toml: { processes: 2, rest: `[log]\nlevel = "info"\n` }, tcpPort: Number(port) }),
    /EADDRINUSE/,
  );
  assert.equal(await first.stop(), 0);
});
