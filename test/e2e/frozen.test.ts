// A file system that does not answer, since it is frozen as for a snapshot: a process that writes there waits
// and cannot be interrupted. The server is a process of its own, so that this one can always thaw the file
// system.

import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type ChildServer, startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { LoopMount, needsLoopMount } from '../support/loopmount.ts';
import { SMALL_DISK } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const BOB = 'bob@example.com';
// More than libuv has threads.
const FROZEN = Array.from({ length: 12 }, (_, n) => `user${n}@frozen.example`);
const LATE = 'late@frozen.example';
const [ALICE = ''] = FROZEN;
const { certificate } = await makeKey(BOB);
const KEYS = Object.fromEntries([BOB, LATE, ...FROZEN].map((address) => [address, certificate]));
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

const SOON = 'stall_timeout = "2s"\ntransaction_timeout = "5s"';

type Work = (server: ChildServer, mount: LoopMount) => Promise<void>;

async function withMount(lmtp: string, work: Work): Promise<void> {
  const server = await startChild({ keys: KEYS, toml: { lmtp, store: SMALL_DISK } });
  const directory = join(server.directory, 'mail/frozen.example');
  await mkdir(directory);
  const mount = await LoopMount.open('ext4', directory);
  try {
    await work(server, mount);
  } finally {
    await mount.close(); // thaws first, since a process that waits there cannot be ended
    await server.stop();
  }
}

async function send(server: ChildServer, to: readonly string[]): Promise<string[]> {
  const session = await openSession(server.socketPath);
  const { rcpt, final } = await deliver(session, { to, message: MESSAGE });
  await session.vanish();
  return final.length > 0 ? final : rcpt;
}

/** Delivers until it succeeds: a copy that was deferred may hold up the next one for a moment. */
async function untilServed(server: ChildServer, address: string): Promise<void> {
  await until(
    `${address} is served`,
    async () => /^250/.test((await send(server, [address]))[0] ?? ''),
    30_000,
  );
}

/** Resolves to the names in tmp/ or new/ of all frozen mailboxes. */
async function frozenFiles(server: ChildServer, directory: 'tmp' | 'new'): Promise<string[]> {
  const lists = FROZEN.map((address) =>
    readdir(join(server.directory, 'mail/frozen.example', address.split('@')[0] ?? '', directory)),
  );
  return (await Promise.all(lists.map((list) => list.catch(() => [])))).flat();
}

// These tests run at the same time, since they spend most of it waiting.
const options = { ...(await needsLoopMount('fsfreeze')), concurrency: true, timeout: 240_000 };

describe('a frozen file system', options, () => {
  testLong('holds up its own delivery, which is finished after a thaw', () =>
    withMount('', async (server, mount) => {
      await mount.freeze();
      const replies = send(server, [ALICE]);
      await pause(300); // by now the server waits for the file system
      await mount.thaw();
      assert.match((await replies)[0] ?? '', /^250 2\.0\.0 /);
    }),
  );

  test('F11: is given up after its time, and the other recipient of the message is served', () =>
    withMount(SOON, async (server, mount) => {
      await mount.freeze();
      const replies = await send(server, [ALICE, BOB]);
      assert.match(replies[0] ?? '', /^451 4\.3\.0 /);
      assert.match(replies[1] ?? '', /^250 2\.0\.0 /);
      await mount.thaw();
      await untilServed(server, ALICE);
      await until('nothing is left in tmp/', async () => (await frozenFiles(server, 'tmp')).length === 0);
      assert.equal((await frozenFiles(server, 'new')).length, 1, 'what was deferred is not there');
    }));

  testLong(
    'F11: does not use up the threads that others need, and after a while its deliveries are deferred at once',
    () =>
      withMount(SOON, async (server, mount) => {
        await mount.freeze();
        const waiting = Promise.all(FROZEN.map((address) => send(server, [address])));
        for (let n = 0; n < 5; n++) assert.match((await send(server, [BOB]))[0] ?? '', /^250 2\.0\.0 /);
        for (const [reply = ''] of await waiting) assert.match(reply, /^451 4\.3\.0 /);
        assert.match((await send(server, [BOB]))[0] ?? '', /^250 2\.0\.0 /);
        assert.match((await send(server, [LATE]))[0] ?? '', /^451 4\.3\.0 Cannot store/);
        await mount.thaw();
        for (const address of FROZEN) await untilServed(server, address);
        await until('nothing is left in tmp/', async () => (await frozenFiles(server, 'tmp')).length === 0);
        assert.equal((await frozenFiles(server, 'new')).length, FROZEN.length);
      }),
  );
});
