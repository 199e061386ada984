// Clients that connect in great numbers, and clients that connect and then do nothing, or next to nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TARGET, underAttack } from '../support/attack.ts';
import type { ChildServer } from '../support/child.ts';
import { connectLmtp, deliver, type LmtpClient } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { needsDescriptors } from '../support/peers.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
const ENVELOPE = `LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<${TARGET}>\r\nDATA\r\n`;

const COUNT = isLong ? 200 : 40;
/** How many come at once, and how many are let in. */
const [COME, LIMIT] = isLong ? [2000, 500] : [400, 100];
const CROWD = `max_connections = ${LIMIT}\nmax_peer_connections = 1000\nmax_mailbox_deliveries = 1000`;

test(
  `of ${COME} connections at once as many are served as the limit allows, and the others are told 421 4.3.2`,
  {
    ...needsDescriptors(5000),
    timeout: 240_000,
  },
  (t) =>
    underAttack(t, { toml: { lmtp: CROWD } }, async ({ port }) => {
      const clients = await Promise.all(Array.from({ length: COME }, () => connectLmtp(port)));
      const greetings = await Promise.all(clients.map((client) => client.reply()));
      for (const greeting of greetings) assert.match(greeting, /^(220 .*|421 4\.3\.2 Too many connections)$/);
      const served = clients.filter((_, n) => greetings[n]?.startsWith('220 '));
      assert.equal(served.length, LIMIT - 1, 'the client that behaves has a connection too');
      for (const client of clients.filter((each) => !served.includes(each)))
        assert.equal(await client.reply(), '', 'closed');
      await Promise.all(served.map(deliverOne));
      await Promise.all(clients.map((client) => client.vanish()));
    }),
);

async function deliverOne(client: LmtpClient): Promise<void> {
  await client.say('LHLO x');
  const { final } = await deliver(client, { to: [TARGET], message: MESSAGE });
  assert.match(final[0] ?? '', /^250 /);
}

// where a client may be when it goes silent or slow: what it has said, how many replies that gets, and what
// follows
const PLACES = [
  { said: '', replies: 1, goesOn: 'LHLO client.example.org and more of it' },
  { said: 'LHLO x\r\nMAIL FROM:<a@exa', replies: 2, goesOn: 'mple.org> and more of it' },
  { said: ENVELOPE, replies: 5, goesOn: 'Subject: one byte at a time and more of it' },
  { said: `${ENVELOPE}Subject: x\r\n\r\nbody`, replies: 5, goesOn: '.\r\n..\r\n.\rand more of it' },
] as const;

async function connectTo(server: ChildServer, count: number): Promise<(LmtpClient & { goesOn: string })[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const { said, replies, goesOn } = PLACES[n % PLACES.length] ?? PLACES[0];
      const client = await connectLmtp(server.socketPath);
      client.write(said);
      for (let i = 0; i < replies; i++) assert.match(await client.reply(), /^(220|250|354)/);
      return { ...client, goesOn };
    }),
  );
}

testLong(
  `${COUNT} clients that say nothing more get 421 when they have been idle for too long, and nothing is stored`,
  {
    timeout: 120_000,
  },
  (t) =>
    underAttack(t, { toml: { lmtp: 'idle_timeout = "1s"' } }, async (server) => {
      for (const client of await connectTo(server, COUNT)) {
        assert.match(await client.reply(), /^421 4\.4\.2 /);
        assert.equal(await client.reply(), '');
        await client.vanish();
      }
    }),
);

testLong(
  `${COUNT} clients that close their side in the middle of something are closed, and nothing is stored`,
  {
    timeout: 120_000,
  },
  (t) =>
    underAttack(t, {}, async (server) => {
      for (const client of await connectTo(server, COUNT)) {
        client.socket.end();
        assert.equal(await client.reply(), '');
      }
    }),
);

testLong(
  `${COUNT} clients that send a byte now and then are told 421 at their deadline, and store nothing`,
  {
    timeout: 120_000,
  },
  (t) =>
    underAttack(t, { toml: { lmtp: 'data_timeout = "1s"\nsession_timeout = "2s"' } }, async (server) => {
      const clients = await connectTo(server, COUNT);
      let sent = 0;
      const drip = setInterval(() => {
        for (const { socket, goesOn } of clients) if (socket.writable) socket.write(goesOn[sent % 40] ?? 'x');
        sent++;
      }, 50);
      try {
        for (const client of clients) {
          assert.match(await client.reply(), /^421 4\.(?:4\.2|3\.2) /);
          assert.equal(await client.reply(), '');
        }
      } finally {
        clearInterval(drip);
      }
      for (const client of clients) await client.vanish();
    }),
);
