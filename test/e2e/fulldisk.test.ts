// A disk that is really full, or nearly: a small tmpfs under the store.

import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.org';
const KEY = await makeKey(ALICE);
const SMALL = FIXTURES[0]?.bytes ?? Buffer.alloc(0);
const OPTIONS = { ...needs('root', 'mount', 'umount'), timeout: 120_000 };

/** Runs `work` with a server that has a tmpfs mounted at `at`, a path below its store. Then unmounts it. */
async function withDisk(
  t: TestContext,
  { at = '', option, store }: { at?: string; option: string; store: string },
  work: (server: TestServer, mountPoint: string) => Promise<void>,
): Promise<void> {
  const keys = { [ALICE]: KEY.certificate, [BOB]: KEY.certificate };
  const server = await startSealdir({ keys, toml: { store } });
  const mountPoint = join(server.directory, 'mail', at);
  await mkdir(mountPoint, { recursive: true });
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', option, 'sealdir-test', mountPoint]);
  try {
    if (mounted.code !== 0) t.skip(`left out: mount is not permitted here (${mounted.stderr.trim()})`);
    else await work(server, mountPoint);
  } finally {
    await server.drain();
    if (mounted.code === 0) await run('umount', [mountPoint]);
    await server.stop();
  }
}

for (const [what, option] of [
  ['bytes', 'size=512k'],
  ['inodes', 'nr_inodes=12'],
] as const) {
  test(
    `F1: a disk short of ${what} defers with 452 4.3.1, leaves tmp/ empty, and takes mail again later`,
    OPTIONS,
    (t) =>
      withDisk(t, { option, store: 'min_free_space = 0' }, async (server, mountPoint) => {
        const session = await openSession(server.socketPath);
        const message = what === 'bytes' ? messageOfSize(1_000_000) : SMALL;
        const replies: string[] = [];
        for (let i = 0; i < 12; i++)
          replies.push((await deliver(session, { to: [ALICE], message })).final[0] ?? '');
        assert.match(replies.at(-1) ?? '', /^452 4\.3\.1 /);
        assert.ok(
          replies.every((reply) => /^(250 2\.0\.0|452 4\.3\.1) /.test(reply)),
          replies.join('\n'),
        );
        assert.deepEqual(await server.files(ALICE, 'tmp'), []);
        const stored = await server.files(ALICE, 'new');
        assert.equal(stored.length, replies.filter((reply) => reply.startsWith('250')).length);
        await run('mount', ['-o', 'remount,size=10m,nr_inodes=1000', mountPoint]);
        assert.match(
          (await deliver(session, { to: [ALICE], message: SMALL })).final[0] ?? '',
          /^250 2\.0\.0 /,
        );
        await session.vanish();
      }),
  );
}

/** Resolves to the reply to RCPT, and ends the transaction there. */
async function rcptOnly(server: TestServer, address: string, parameters = ''): Promise<string> {
  const session = await openSession(server.socketPath);
  await session.say(`MAIL FROM:<>${parameters}`);
  const reply = await session.say(`RCPT TO:<${address}>`);
  await session.vanish();
  return reply;
}

test(
  'F8: before the disk is full a recipient is deferred at RCPT, counted, and taken again when there is room',
  OPTIONS,
  (t) =>
    withDisk(t, { option: 'size=10m', store: 'min_free_space = "4MiB"' }, async (server, mountPoint) => {
      assert.match(await rcptOnly(server, ALICE), /^250 /);
      await writeFile(join(mountPoint, 'filler'), Buffer.alloc(7 * 1024 * 1024));
      await until('it is noticed', async () => /^452 4\.3\.1 /.test(await rcptOnly(server, ALICE)));
      assert.deepEqual(await server.files(ALICE, 'tmp'), []);
      const metrics = await (await fetch(`${server.metrics}/metrics`)).text();
      assert.match(metrics, /^sealdir_recipients_total\{verdict="deferred",why="diskFull"\} [1-9]/m);
      await rm(join(mountPoint, 'filler'));
      await until('it is noticed', async () => (await rcptOnly(server, ALICE)).startsWith('250 '));
      // Of 10 MiB there are 6 for mail. 5 MiB fit as they come, but not when they are sealed.
      assert.match(await rcptOnly(server, ALICE, ` SIZE=${3 * 1024 * 1024}`), /^250 /);
      assert.match(await rcptOnly(server, ALICE, ` SIZE=${5 * 1024 * 1024}`), /^452 4\.3\.1 /);
    }),
);

test('F8: a disk with hardly an inode left defers at RCPT', OPTIONS, (t) =>
  withDisk(t, { option: 'size=10m,nr_inodes=50', store: 'min_free_space = "1MiB"' }, async (server) => {
    assert.match(await rcptOnly(server, ALICE), /^452 4\.3\.1 /);
  }),
);

test('F8: of a store on two disks only mailboxes on the full one are deferred', OPTIONS, (t) =>
  withDisk(t, { at: 'example.com', option: 'size=1m', store: 'min_free_space = "2MiB"' }, async (server) => {
    assert.match(await rcptOnly(server, ALICE), /^452 4\.3\.1 /);
    assert.match(await rcptOnly(server, BOB), /^250 /);
  }),
);
