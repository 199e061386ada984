// File systems where every call hangs, stat(2) too (a FUSE daemon that is stopped, like a network file system
// whose server is gone), and mailboxes there that were not used lately: nobody else may notice.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import { POOL_THREADS } from '../../src/disk/threadshare.ts';
import { type ChildServer, startChild } from '../support/child.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf, testLong } from '../support/long.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const users = (count: number, domain: string) =>
  Array.from({ length: count }, (_, n) => `user${n}@${domain}`);
// more mailboxes than libuv has threads unless told otherwise, and none of them used before
const MOUNTED = users(12, 'mounted.example');
const LINKED = users(12, 'linked.example');
const WELL = users(40, 'well.example');
const { certificate } = await makeKey('bob@example.com');
const KEYS = Object.fromEntries([...MOUNTED, ...LINKED, ...WELL].map((address) => [address, certificate]));
const SMALL = Buffer.from('Subject: x\r\n\r\nx\r\n');
const LARGE = Buffer.from(`Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(10_000)}`);
/** Far more than a delivery takes, far less than anybody waits for a file system that hangs. */
const SOON_MS = 1500;
const SIZES = [
  ['small', SMALL, false],
  ['small', SMALL, true],
  ['large', LARGE, false],
] as const;
const IMPATIENT = 'stall_timeout = "2s"\ntransaction_timeout = "5s"';

type Work = (server: ChildServer, mounts: readonly HungMount[]) => Promise<void>;

/**
 * A server whose store has a domain on each of two mounts: one mounted there, of the other each mailbox is a
 * link to it.
 */
async function withMounts(work: Work): Promise<void> {
  const server = await startChild({ keys: KEYS, toml: { lmtp: IMPATIENT } });
  const places = ['mail/mounted.example', 'elsewhere'].map((path) => join(server.directory, path));
  const mounts: HungMount[] = [];
  try {
    for (const place of [...places, join(server.directory, 'mail/linked.example')]) await mkdir(place);
    for (const place of places) mounts.push(await HungMount.open(place));
    for (const address of LINKED) {
      const [user = ''] = address.split('@');
      await mkdir(join(server.directory, 'elsewhere', user));
      await symlink(`../../elsewhere/${user}`, join(server.directory, 'mail/linked.example', user));
    }
    await work(server, mounts);
  } finally {
    for (const mount of mounts) await mount.close(); // a process that waits there cannot be ended
    await server.stop();
  }
}

async function send(server: ChildServer, to: string, message: Buffer): Promise<string> {
  const session = await openSession(server.socketPath);
  const { rcpt, final } = await deliver(session, { to: [to], message });
  await session.vanish();
  return final[0] ?? rcpt[0] ?? '';
}

/** Delivers to each mailbox, one after the other; returns the milliseconds of the slowest. */
async function slowest(server: ChildServer, addresses: readonly string[], message: Buffer): Promise<number> {
  let slowestMs = 0;
  for (const address of addresses) {
    const start = performance.now();
    assert.match(await send(server, address, message), /^250 2\.0\.0 /);
    slowestMs = Math.max(slowestMs, performance.now() - start);
  }
  return slowestMs;
}

async function filesIn(server: ChildServer, folder: 'tmp' | 'new'): Promise<string[]> {
  const lists = [...MOUNTED, ...LINKED].map((address) => {
    const [user = '', domain = ''] = address.split('@');
    return readdir(join(server.directory, 'mail', domain, user, folder)).catch(() => []);
  });
  return (await Promise.all(lists)).flat();
}

describe('two hung file systems', {
  ...(await needsHungMount()),
  concurrency: true,
  timeout: 480_000,
}, () => {
  for (const [size, message, isKnown] of shortOf(SIZES, 1))
    test(`F21: ${size} messages for mailboxes ${isKnown ? '' : 'not '}used before hold up nobody else, and are deferred with 451 4.3.0`, (t) =>
      withMounts(async (server, mounts) => {
        if (isKnown) await slowest(server, [...MOUNTED, ...LINKED], message);
        const usual = await slowest(server, WELL.slice(0, 10), message);
        for (const mount of mounts) mount.hang();
        const waiting = Promise.all([...MOUNTED, ...LINKED].map((to) => send(server, to, message)));
        const meanwhile = await slowest(server, WELL.slice(10, 20), message);
        for (const reply of await waiting) assert.match(reply, /^451 4\.3\.0 /);
        const afterwards = await slowest(server, WELL.slice(20, 30), message);
        t.diagnostic(
          `slowest healthy delivery: usual ${usual.toFixed()} ms, ${meanwhile.toFixed()}, ${afterwards.toFixed()}`,
        );
        assert.ok(Math.max(meanwhile, afterwards) < SOON_MS);
        for (const mount of mounts) mount.resume();
        for (const address of [...MOUNTED, ...LINKED])
          await until(
            `${address} is served`,
            async () => /^250/.test(await send(server, address, message)),
            30_000,
          );
        await until('nothing is left in tmp/', async () => (await filesIn(server, 'tmp')).length === 0);
        const eachOf = MOUNTED.length + LINKED.length;
        assert.equal((await filesIn(server, 'new')).length, isKnown ? 2 * eachOf : eachOf);
      }));
});

testLong(
  "a key that is a link into a file system that hangs is its owner's trouble, at the start as well",
  {
    ...(await needsHungMount()),
    timeout: 240_000,
  },
  async () => {
    const [linked = '', ...others] = WELL;
    for (const hangsAtStart of shortOf([true, false], 1)) {
      const elsewhere = await mkdtemp(join(tmpdir(), 'sealdir-hungkeys-'));
      const mount = await HungMount.open(elsewhere);
      await writeFile(join(elsewhere, 'key.asc'), certificate);
      if (hangsAtStart) mount.hang();
      const keys = Object.fromEntries(others.map((address) => [address, certificate]));
      const keyLinks = { [linked]: join(elsewhere, 'key.asc') };
      const server = await startChild({ keys, keyLinks, toml: { lmtp: IMPATIENT } });
      try {
        mount.hang();
        const waiting = Array.from({ length: 3 }, () => send(server, linked, SMALL));
        assert.ok((await slowest(server, others, SMALL)) < SOON_MS);
        for (const reply of await Promise.all(waiting)) assert.match(reply, /^451 4\.3\.0 /);
        assert.ok((await slowest(server, others, SMALL)) < SOON_MS);
      } finally {
        const stopping = server.stop();
        await mount.close(); // a thread that waits there keeps the process
        assert.equal(await stopping, 0);
        await rm(elsewhere, { recursive: true, force: true });
      }
    }
  },
);

testLong('the program starts with as many threads as the shares of file systems reckon with', async (t) => {
  const source = await readFile(join(repositoryRoot(), 'src/sealdir.cts'), 'utf8');
  assert.ok(source.includes(`UV_THREADPOOL_SIZE = '${POOL_THREADS}'`));
  const server = await startChild({ keys: KEYS, toml: { processes: 2 } });
  t.after(() => server.stop());
  for (const pid of [server.process.pid, ...server.workers()]) {
    // from Node 22 on, they begin with the first file call that a process makes: connections go to both
    // workers in turn
    await until(`process ${pid} has its threads`, async () => {
      const session = await openSession(server.socketPath);
      await session.say('MAIL FROM:<sender@example.org>');
      await session.say(`RCPT TO:<${WELL[0]}>`);
      await session.vanish();
      return (await readdir(`/proc/${pid}/task`)).length > POOL_THREADS;
    });
  }
});
