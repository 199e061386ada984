// SIGTERM and the server as a process: idle sessions are told, deliveries under way are finished, and a
// second SIGTERM cuts them off without a trace.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ChildServer, startChild } from '../support/child.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { connectLmtp, type LmtpClient, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
/** Large enough for a part of it to be in tmp/ before its end. */
const LARGE = messageOfSize(2_000_000);

const filesIn = (server: ChildServer, name: 'tmp' | 'new') =>
  readdir(join(server.directory, 'mail/example.com/alice', name)).catch(() => []);

async function openData(server: ChildServer): Promise<LmtpClient> {
  const session = await openSession(server.socketPath);
  for (const line of ['MAIL FROM:<>', `RCPT TO:<${ALICE}>`, 'DATA']) await session.say(line);
  return session;
}

/** Hands over a message, from the command on that is named. Resolves to the reply to it. */
async function deliver(session: LmtpClient, from = 'MAIL'): Promise<string> {
  const lines = ['MAIL FROM:<>', `RCPT TO:<${ALICE}>`, 'DATA'];
  for (const line of lines.slice(lines.findIndex((each) => each.startsWith(from)))) await session.say(line);
  return session.say('Subject: last\r\n\r\nlast\r\n.');
}

/** A connection that the kernel took just before the end is closed without a word. */
async function isRefused(server: ChildServer): Promise<boolean> {
  const session = await connectLmtp(server.socketPath).catch(() => undefined);
  if (session !== undefined) assert.equal(await session.reply(), '');
  return session === undefined;
}

for (const processes of isLong ? [1, 2] : [2]) {
  const started = () => startChild({ keys: { [ALICE]: KEY.certificate }, toml: { processes } });
  const name = processes === 1 ? 'one process' : 'two workers';

  test(`${name}: SIGTERM tells idle sessions 421 4.3.2, refuses new ones, finishes deliveries under way and exits 0`, {
    timeout: 240_000,
  }, async () => {
    const server = await started();
    try {
      const idle = await openSession(server.socketPath);
      const between = await openSession(server.socketPath);
      await between.say('MAIL FROM:<>');
      await between.say(`RCPT TO:<${ALICE}>`);
      const busy = await Promise.all([openData(server), openData(server), openData(server)]);
      for (const session of busy) session.write(LARGE);
      server.process.signal('SIGTERM');
      for (const session of [idle, between]) {
        assert.match(await session.reply(), /^421 4\.3\.2 /);
        assert.equal(await session.reply(), '');
      }
      await until('nobody takes connections any more', () => isRefused(server));
      const ready = await fetch(`${server.metrics()}/readyz`);
      assert.deepEqual([ready.status, await ready.text()], [503, 'the server is stopping\n']);
      for (const session of busy) session.write('\r\n.\r\n');
      for (const session of busy) {
        assert.match(await session.reply(), /^250 2\.0\.0 /);
        assert.match(await session.reply(), /^421 4\.3\.2 /);
      }
      assert.equal(await server.process.ended, 0);
      assert.equal((await filesIn(server, 'new')).length, busy.length);
      assert.deepEqual(await filesIn(server, 'tmp'), []);
    } finally {
      await server.stop();
    }
  });

  // who has one address to go to, as with a load balancer between, puts a message off when sent away
  test(`${name}: SIGTERM lets everybody who has come have one message delivered, also whom only the kernel has taken`, {
    timeout: 240_000,
  }, async () => {
    const server = await started();
    try {
      const [served, begun] = [await openSession(server.socketPath), await openSession(server.socketPath)];
      assert.match(await deliver(served), /^250 2\.0\.0 /);
      await begun.say('MAIL FROM:<>');
      server.process.signal('SIGSTOP');
      const crowd = await Promise.all(Array.from({ length: 20 }, () => connectLmtp(server.socketPath)));
      server.process.signal('SIGTERM');
      server.process.signal('SIGCONT');
      assert.match(await served.reply(), /^421 4\.3\.2 /);
      assert.match(await deliver(begun, 'RCPT'), /^250 2\.0\.0 /);
      for (const session of crowd) {
        assert.match(await session.reply(), /^220 /);
        await session.say('LHLO late.example.com');
        assert.match(await deliver(session), /^250 2\.0\.0 /);
        assert.match(await session.reply(), /^421 4\.3\.2 /);
      }
      assert.equal(await server.process.ended, 0);
      assert.equal((await filesIn(server, 'new')).length, 2 + crowd.length);
    } finally {
      await server.stop();
    }
  });

  testLong(
    `${name}: a second SIGTERM cuts off deliveries under way: no 250 without its file, and tmp/ is empty`,
    {
      timeout: 240_000,
    },
    async () => {
      for (let round = 0; round < (isLong ? 2 : 1); round++) {
        const server = await started();
        try {
          const idle = await openSession(server.socketPath);
          const [arriving, ending] = [
            await Promise.all(Array.from({ length: 5 }, () => openData(server))),
            await Promise.all(Array.from({ length: 5 }, () => openData(server))),
          ];
          for (const session of [...arriving, ...ending]) session.write(LARGE);
          await until('all are in tmp/', async () => (await filesIn(server, 'tmp')).length === 10);
          server.process.signal('SIGTERM');
          assert.match(await idle.reply(), /^421 4\.3\.2 /);
          for (const session of ending) session.write('\r\n.\r\n');
          server.process.signal('SIGTERM');
          for (const session of arriving) assert.equal(await session.reply(), '');
          const replies = await Promise.all(ending.map((session) => session.reply()));
          assert.equal(await server.process.ended, 0);
          const stored = replies.filter((reply) => reply !== '');
          assert.ok(
            stored.every((reply) => reply.startsWith('250 2.0.0 ')),
            replies.join('\n'),
          );
          assert.ok((await filesIn(server, 'new')).length >= stored.length);
          assert.deepEqual(await filesIn(server, 'tmp'), [], `round ${round}`);
        } finally {
          await server.stop();
        }
      }
    },
  );
}
