// How connections get to workers: all of them, in whatever state the workers are.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { within } from '../../src/core/deadline.ts';
import { startActivated } from '../support/activate.ts';
import { CLI, childrenOf, startChild } from '../support/child.ts';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { shortOf, testLong } from '../support/long.ts';
import { needs, needsDescriptors } from '../support/peers.ts';
import { freeze, run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

testLong(
  'a client may close its side after its last command, and a worker still answers',
  {
    timeout: 240_000,
  },
  async () => {
    const key = await makeKey(ALICE);
    const server = await startChild({ keys: { [ALICE]: key.certificate }, toml: { processes: 2 } });
    try {
      for (const to of [server.socketPath, server.port]) {
        const client = await connectLmtp(to);
        client.socket.end(`LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<${ALICE}>\r\nDATA\r\n${MESSAGE}.\r\nNOOP\r\n`);
        const replies: string[] = [];
        for (let reply = await client.reply(); reply !== ''; reply = await client.reply())
          replies.push(reply);
        assert.deepEqual(
          replies.map((reply) => reply.slice(0, 3)),
          ['220', '250', '250', '250', '354', '250', '250'],
        );
        await client.vanish();
      }
    } finally {
      assert.equal(await server.stop(), 0);
    }
  },
);

/** A site whose server has two workers and listens on a socket that it inherits, or on one of its own. */
async function startWithSocket(isInherited: boolean) {
  const site = await makeSite({ [ALICE]: (await makeKey(ALICE)).certificate });
  const config = join(site, 'sealdir.toml');
  const toml = tomlFor(site, { toml: { processes: 2 } });
  await writeFile(config, isInherited ? toml.replace(/^listen = \[.*$/m, 'listen = ["systemd"]') : toml);
  const path = join(site, isInherited ? 'inherited.sock' : 'lmtp.sock');
  const args = [CLI, 'serve', '-c', config];
  const ready = (output: string) => output.includes('"msg":"listening"');
  const server = isInherited
    ? await startActivated(path, args)
    : await start(process.execPath, args, { ready });
  return { server, path, remove: () => rm(site, { recursive: true, force: true }) };
}

for (const isInherited of shortOf([false, true], 1)) {
  const whose = isInherited ? 'an inherited socket' : 'a socket of its own';
  test(`F31: on ${whose}, clients that come while no worker is left are served by the next`, {
    ...(isInherited ? needs('python3') : {}),
    timeout: 240_000,
  }, async () => {
    const { server, path, remove } = await startWithSocket(isInherited);
    try {
      for (const pid of childrenOf(server.pid)) process.kill(pid, 'SIGKILL');
      const sessions = await Promise.all(Array.from({ length: 20 }, () => openSession(path)));
      for (const session of sessions) {
        assert.match(
          (await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '',
          /^250 2\.0\.0 /,
        );
        await session.vanish();
      }
      assert.equal(childrenOf(server.pid).length, 2);
    } finally {
      assert.equal(await server.stop(), 0);
      await remove();
    }
  });
}

testLong(
  'a thousand clients at one moment are all greeted, or told that they are too many',
  {
    ...needsDescriptors(2500),
    timeout: 240_000,
  },
  async () => {
    const server = await startChild({ toml: { processes: 2, lmtp: 'max_connections = 300' } });
    try {
      const clients = await Promise.all(Array.from({ length: 1000 }, () => connectLmtp(server.socketPath)));
      const greetings = await Promise.all(clients.map((client) => client.reply()));
      const codes = greetings.map((greeting) => greeting.slice(0, 3));
      assert.deepEqual([...new Set(codes)].sort(), ['220', '421']);
      assert.ok(codes.filter((code) => code === '220').length >= 300);
      await Promise.all(clients.map((client) => client.vanish()));
    } finally {
      assert.equal(await server.stop(), 0);
    }
  },
);

testLong(
  'F31: workers that had no descriptor left get connections again when they have',
  {
    ...needs('prlimit'),
    timeout: 240_000,
  },
  async () => {
    const server = await startChild({ toml: { processes: 2 } });
    const limit = async (most: number) => {
      for (const pid of server.workers()) await run('prlimit', ['--pid', String(pid), `--nofile=${most}:`]);
    };
    try {
      await limit(40);
      const clients = await Promise.all(Array.from({ length: 60 }, () => connectLmtp(server.socketPath)));
      const greetings = clients.map((client) => client.reply());
      await until('some are greeted', async () => (await Promise.race(greetings)).startsWith('220'));
      // more than a worker has descriptors for: they are greeted by nobody, or closed
      await Promise.all(clients.map((client) => client.vanish()));
      await limit(4096);
      await until('new ones are greeted', async () => {
        const client = await connectLmtp(server.socketPath);
        const isGreeted = (await within(client.reply(), 1000)) !== 'late';
        await client.vanish();
        return isGreeted;
      });
      for (let n = 0; n < 4; n++) await (await openSession(server.socketPath)).vanish();
    } finally {
      assert.equal(await server.stop(), 0);
    }
  },
);

test('F31: a connection on its way to a worker that dies is greeted by another', {
  timeout: 240_000,
}, async () => {
  const server = await startChild({ toml: { processes: 2 } });
  try {
    const workers = server.workers();
    // workers that are stopped take nothing, so that their connections are on their way
    for (const pid of workers) await freeze(pid);
    const clients = await Promise.all(Array.from({ length: 5 }, () => connectLmtp(server.socketPath)));
    const greetings = clients.map((client) => client.reply());
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    for (const greeting of greetings) assert.match(await greeting, /^220 /);
    await Promise.all(clients.map((client) => client.vanish()));
  } finally {
    assert.equal(await server.stop(), 0);
  }
});
