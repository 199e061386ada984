// Clients that do not read, do not write, close only their own side, or are too many.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI } from '../support/child.ts';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { accepts } from '../support/port.ts';
import { start } from '../support/process.ts';
import { makeSite, startSealdir, type TestServer, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

async function withServer(lmtp: string, work: (server: TestServer) => Promise<void>): Promise<void> {
  const server = await startSealdir({ keys: { [ALICE]: KEY.certificate }, toml: { lmtp } });
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

async function openData(server: TestServer) {
  const session = await openSession(server.socketPath);
  await session.say('MAIL FROM:<>');
  await session.say(`RCPT TO:<${ALICE}>`);
  assert.match(await session.say('DATA'), /^354/);
  return session;
}

for (const line of ['EHLO x', 'MAIL FROM:<>', 'NOOP', 'RSET']) {
  test(
    `a client that sends "${line}" for ever and never reads is not read from any more`,
    {
      timeout: 120_000,
    },
    () =>
      withServer('', async (server) => {
        const socket = createConnection(server.socketPath);
        await once(socket, 'connect');
        socket.pause();
        const block = Buffer.from(`${line}\r\n`.repeat(Math.ceil(65_536 / line.length)));
        let isStalled = false;
        for (let sent = 0; sent < 64 && !isStalled; sent++) {
          const taken = new Promise((resolve) => socket.write(block, () => resolve(true)));
          isStalled = !(await Promise.race([
            taken,
            new Promise((resolve) => setTimeout(resolve, 1000, false)),
          ]));
        }
        assert.ok(isStalled, '4 MB were taken');
        socket.destroy();
      }),
  );
}

test('a message that takes too long to arrive ends its session with 421 and leaves nothing', () =>
  withServer('data_timeout = "1s"', async (server) => {
    const session = await openData(server);
    const drip = setInterval(() => session.write('x'), 50);
    assert.match(await session.reply(), /^421 4\.4\.2 /);
    clearInterval(drip);
    await session.vanish();
    await until('it is given up', () => server.outcomes().at(-1)?.why === 'aborted');
    assert.deepEqual([...(await server.files(ALICE, 'tmp')), ...(await server.files(ALICE, 'new'))], []);
  }));

testLong('a session that lasts too long is ended, after the message that is arriving', () =>
  withServer('session_timeout = "1s"', async (server) => {
    const idle = await openSession(server.socketPath);
    const busy = await openData(server);
    assert.match(await idle.reply(), /^421 4\.3\.2 /);
    busy.write('Subject: late\r\n\r\n.\r\n');
    assert.match(await busy.reply(), /^250 2\.0\.0 /);
    assert.match(await busy.reply(), /^421 4\.3\.2 /);
    assert.equal(await busy.reply(), '');
  }),
);

testLong('an idle session is ended with 421', () =>
  withServer('idle_timeout = "1s"', async (server) => {
    const session = await openSession(server.socketPath);
    assert.match(await session.reply(), /^421 4\.4\.2 /);
    assert.equal(await session.reply(), '');
  }),
);

test('a client that closes its side after its last command still gets every reply', () =>
  withServer('', async (server) => {
    for (const to of [server.socketPath, server.port]) {
      const client = await connectLmtp(to);
      const rcpt = `RCPT TO:<${ALICE}>\r\n`;
      client.socket.end(`LHLO x\r\nMAIL FROM:<>\r\n${rcpt}${rcpt}DATA\r\n${MESSAGE}.\r\n`);
      const replies: string[] = [];
      for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) replies.push(reply);
      assert.deepEqual(
        replies.map((reply) => reply.slice(0, 3)),
        ['220', '250', '250', '250', '250', '354', '250', '250'],
      );
    }
  }));

test('F17: nothing is stored of a message in the middle of which the client closes its side', () =>
  withServer('', async (server) => {
    const session = await openData(server);
    session.socket.end('Subject: half\r\n\r\nhal');
    assert.equal(await session.reply(), '');
    await until('it is given up', () => server.outcomes().at(-1)?.why === 'aborted');
    assert.deepEqual(await server.files(ALICE, 'new'), []);
  }));

test('connections that were turned away do not count against the limit', () =>
  withServer('max_connections = 2', async (server) => {
    const [first, second] = [await openSession(server.socketPath), await openSession(server.socketPath)];
    const refused = await Promise.all(Array.from({ length: 5 }, () => connectLmtp(server.socketPath)));
    for (const each of refused) assert.match(await each.reply(), /^421 4\.3\.2 /);
    await first.vanish();
    await until('a place is free', async () => {
      const next = await connectLmtp(server.socketPath);
      const greeting = await next.reply();
      if (greeting.startsWith('220')) assert.match(await next.say('NOOP'), /^250/);
      await next.vanish();
      return greeting.startsWith('220');
    });
    for (const each of [second, ...refused]) await each.vanish();
  }));

test('a log that cannot be written stops neither the server nor a delivery, and is counted', {
  timeout: 120_000,
}, async () => {
  const site = await makeSite({ [ALICE]: KEY.certificate });
  const config = join(site, 'sealdir.toml');
  const metrics = join(site, 'metrics.sock');
  await writeFile(
    config,
    tomlFor(site).replace('[metrics]\nlisten = "127.0.0.1:0"', `[metrics]\nlisten = "${metrics}"`),
  );
  // Every write to /dev/full fails with ENOSPC.
  const command = `exec "${process.execPath}" "${CLI}" serve -c "${config}" 2>/dev/full`;
  const ready = () => accepts(join(site, 'lmtp.sock'));
  const server = await start('sh', ['-c', command], { ready });
  try {
    const session = await openSession(join(site, 'lmtp.sock'));
    for (let round = 0; round < 3; round++) {
      const { final } = await deliver(session, { to: [ALICE], message: MESSAGE });
      assert.match(final[0] ?? '', /^250 2\.0\.0 /);
    }
    await session.vanish();
    const scrape = createConnection(metrics);
    scrape.end('GET /metrics HTTP/1.0\r\n\r\n');
    let text = '';
    for await (const bytes of scrape) text += bytes;
    assert.match(text, /^sealdir_log_lines_lost [1-9]/m);
  } finally {
    assert.equal(await server.stop(), 0);
    await rm(site, { recursive: true, force: true });
  }
});
