// While one mailbox, key, file system, peer, scraper or worker misbehaves, a healthy mailbox gets its mail as
// usual. How long that takes is printed, not asserted: figures of a busy machine prove nothing.

import assert from 'node:assert/strict';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { ChildServer } from '../support/child.ts';
import { freshKey } from '../support/freshkey.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { HEALTHY, isolated, repeatedly } from '../support/isolation.ts';
import { connectLmtp, deliver, isGreeted, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { withSubkeys } from '../support/oddkeys.ts';
import { makeKey } from '../support/testkeys.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
const TARGET = 'target@example.com';
const { certificate } = await makeKey(TARGET);
const KEYS = { [TARGET]: certificate };
const options = { timeout: 480_000 };
const FILES = isLong ? 10_000 : 1000;

async function send(server: ChildServer, to: string): Promise<string> {
  const session = await openSession(server.socketPath);
  const { rcpt, final } = await deliver(session, { to: [to], message: MESSAGE });
  await session.vanish();
  return final[0] ?? rcpt[0] ?? '';
}

testLong('a mailbox that is a link to nothing is deferred each time, and holds up nobody', options, (t) =>
  isolated(t, { keys: KEYS }, async (server) => {
    await symlink('/not-mounted/target', join(server.directory, 'mail/example.com/target'));
    return repeatedly(async () => assert.match(await send(server, TARGET), /^451 4\.3\.0 /), 4);
  }),
);

testLong(
  'a key with more subkeys than a recipient may have is refused at RCPT, and costs nobody anything',
  options,
  async (t) => {
    const many = await withSubkeys(await freshKey(TARGET), 100);
    await isolated(t, { keys: { [TARGET]: many } }, async (server) =>
      repeatedly(async () => assert.match(await send(server, TARGET), /^451 4\.7\.5 /)),
    );
  },
);

testLong(
  `asking for users who do not exist beside ${FILES} key files, of which one keeps changing, holds up nobody`,
  options,
  (t) =>
    isolated(t, { keys: KEYS }, async (server) => {
      const keys = join(server.directory, 'keys');
      for (let n = 0; n < FILES; n++) await writeFile(join(keys, `user${n}@Example.ORG.asc`), certificate);
      const stops = [
        repeatedly(async () => {
          await writeFile(join(keys, '.draft'), certificate);
          await rename(join(keys, '.draft'), join(keys, 'changing@example.com.asc'));
          await pause(50);
        }),
        repeatedly(async () => assert.match(await send(server, 'nobody@example.com'), /^550 5\.1\.1 /), 4),
      ];
      return async () => void (await Promise.all(stops.map((stop) => stop())));
    }),
);

testLong(
  'a file system that hangs, with mailboxes not used before, holds up its own mail only',
  {
    ...(await needsHungMount()),
    ...options,
  },
  (t) => {
    const hung = Array.from({ length: 12 }, (_, n) => `user${n}@hung.example`);
    const keys = Object.fromEntries(hung.map((address) => [address, certificate]));
    const toml = { lmtp: 'stall_timeout = "2s"\ntransaction_timeout = "5s"' };
    return isolated(t, { keys, toml }, async (server) => {
      const directory = join(server.directory, 'mail/hung.example');
      await mkdir(directory);
      const mount = await HungMount.open(directory);
      mount.hang();
      const replies = hung.map((address) => send(server, address));
      return async () => {
        for (const reply of await Promise.all(replies)) assert.match(reply, /^451 4\.3\.0 /);
        await mount.close();
      };
    });
  },
);

test('150 connections that name a mailbox and then do nothing keep no place of it', options, (t) => {
  const toml = { lmtp: 'max_mailbox_deliveries = 20' };
  return isolated(t, { keys: KEYS, toml }, async (server) => {
    const clients = await Promise.all(Array.from({ length: 150 }, () => connectLmtp(server.port)));
    for (const client of clients) {
      await client.reply();
      for (const line of ['LHLO x', 'MAIL FROM:<>', `RCPT TO:<${HEALTHY}>`, 'NOOP'])
        assert.match(await client.say(line), /^250/);
    }
    return async () => void (await Promise.all(clients.map((client) => client.vanish())));
  });
});

testLong('8 connections that pipeline GET /metrics stop no mail', options, (t) =>
  isolated(t, { keys: KEYS, toml: { processes: 2 } }, async (server) => {
    const { port, hostname } = new URL(server.metrics());
    const flood = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1800);
    const scrape = () =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => socket.write(flood));
        const ended = setTimeout(() => socket.destroy(), 2000);
        socket.resume().on('error', () => {});
        socket.on('close', () => {
          clearTimeout(ended);
          resolve();
        });
      });
    return repeatedly(scrape, 8);
  }),
);

testLong('a worker that is stopped keeps one connection at most, and the others are served', options, (t) =>
  isolated(t, { keys: KEYS, toml: { processes: 2 } }, async (server) => {
    const [stopped = 0] = server.workers();
    process.kill(stopped, 'SIGSTOP');
    // the one connection that it does not take; whose turn it is, is not known
    let isLost = false;
    for (let n = 0; n < 4 && !isLost; n++) {
      const session = await connectLmtp(server.socketPath);
      isLost = !(await isGreeted(session));
      await session.vanish();
    }
    assert.ok(isLost, 'no connection went to the worker that is stopped');
    return () => void process.kill(stopped, 'SIGCONT');
  }),
);
