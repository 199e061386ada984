// Limits and deadlines of a whole server: clients that exceed one are told so, and all others go on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
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

test('connections over the limit of one address are told 421 4.7.0; a Unix socket has no address', () =>
  withServer('max_peer_connections = 2', async (server) => {
    const first = await openSession(server.port);
    const second = await openSession(server.port);
    const refused = await connectLmtp(server.port);
    assert.match(await refused.reply(), /^421 4\.7\.0 /);
    assert.equal(await refused.reply(), '');
    const local = await Promise.all(Array.from({ length: 5 }, () => openSession(server.socketPath)));
    for (const session of [second, ...local])
      assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
    await first.vanish();
    await until('its slot is free again', async () => {
      const next = await connectLmtp(server.port);
      const greeting = await next.reply();
      await next.vanish();
      return greeting.startsWith('220');
    });
    for (const session of [second, ...local]) await session.vanish();
  }));

testLong(
  'deliveries over the limit of one mailbox are deferred at RCPT, those to another are not, and the slot comes free',
  () =>
    withServer('max_mailbox_deliveries = 1', async (server) => {
      await server.addKey('bob@example.com.asc', KEY.certificate);
      const deliveries = async () => {
        const text = await (await fetch(`${server.metrics}/metrics`)).text();
        return Number(/^sealdir_deliveries (\d+)$/m.exec(text)?.[1]);
      };
      const first = await openSession(server.socketPath);
      const second = await openSession(server.port);
      await first.say('MAIL FROM:<>');
      assert.match(await first.say(`RCPT TO:<${ALICE}>`), /^250 /);
      assert.equal(await deliveries(), 0, 'a client that only asks has no slot');
      assert.match(await first.say('DATA'), /^354 /);
      const both = { to: [ALICE, 'bob@example.com'], message: MESSAGE };
      const { rcpt, final } = await deliver(second, both);
      assert.match(rcpt[0] ?? '', /^450 4\.2\.1 /);
      assert.ok(final.length === 1 && final[0]?.startsWith('250 2.0.0 '), final.join());
      await until('the slot is taken', async () => (await deliveries()) === 1);
      await first.vanish();
      await until('the slot is free', async () => (await deliveries()) === 0);
      assert.equal((await deliver(second, both)).final.length, 2);
      await second.vanish();
    }),
);

test('a client that sends a command byte by byte gets 421, though no second passes without a byte', () =>
  withServer('idle_timeout = "1s"', async (server) => {
    const session = await openSession(server.socketPath);
    const drip = setInterval(() => session.write('x'), 50);
    assert.match(await session.reply(), /^421 4\.4\.2 /);
    clearInterval(drip);
    await session.vanish();
  }));

test('a client whose message drips gets 421 long before data_timeout, and nothing is left', () =>
  withServer('block_timeout = "1s"', async (server) => {
    const session = await openSession(server.socketPath);
    for (const line of ['MAIL FROM:<>', `RCPT TO:<${ALICE}>`, 'DATA']) await session.say(line);
    const drip = setInterval(() => session.write('x\r\n'), 50);
    assert.match(await session.reply(), /^421 4\.4\.2 /);
    clearInterval(drip);
    await session.vanish();
    await until('it is given up', () => server.outcomes().at(-1)?.why === 'aborted');
    assert.deepEqual([...(await server.files(ALICE, 'tmp')), ...(await server.files(ALICE, 'new'))], []);
  }));
