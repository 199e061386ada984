// strace makes system calls of the real server fail: first those of its disk thread, which delivers small
// messages, then those of all threads that may make the calls of a large one.

import assert from 'node:assert/strict';
import { opendirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ChildServer, startChild } from '../support/child.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { inject } from '../support/strace.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const SMALL = Buffer.from('Subject: x\r\n\r\nx\r\n');
const LARGE = messageOfSize(500_000);
const STORED = '250 2.0.0';
const FULL = '452 4.3.1';
const QUOTA = '452 4.2.2';
const TROUBLE = '451 4.3.0';

describe('a system call that fails', { ...needs('strace', 'root'), timeout: 240_000 }, () => {
  let server: ChildServer;
  let main: number;
  let diskThread: number;
  const stored = new Map<string, number>();

  /** In the order in which they began. Their numbers are none, since those begin again at the lowest. */
  const threads = (): number[] => {
    const directory = opendirSync(`/proc/${server.process.pid}/task`); // readdir would sort them
    const found: number[] = [];
    for (let each = directory.readSync(); each !== null; each = directory.readSync())
      found.push(Number(each.name));
    directory.closeSync();
    return found;
  };
  const maildir = (address: string) =>
    join(server.directory, 'mail/example.com', address.split('@')[0] ?? '');
  const send = async (message: Buffer, to = [ALICE, BOB]) => {
    const session = await openSession(server.socketPath);
    const { final } = await deliver(session, { to, message });
    await session.vanish();
    return final.map((reply) => reply.slice(0, STORED.length));
  };
  /** Asserts that tmp/ is empty and that new/ holds what was acknowledged. */
  const assertFiles = async () => {
    for (const [address, count] of stored) {
      assert.deepEqual(await readdir(join(maildir(address), 'tmp')), []);
      assert.equal((await readdir(join(maildir(address), 'new'))).length, count, address);
    }
  };
  const count = (address: string) => stored.set(address, (stored.get(address) ?? 0) + 1);
  const assertNextIsFine = async () => {
    await assertFiles();
    assert.deepEqual(await send(SMALL), [STORED, STORED]);
    for (const address of [ALICE, BOB]) count(address);
    await assertFiles();
  };

  before(async () => {
    const { certificate } = await makeKey(ALICE);
    // in memory, where an fsync is fast on every machine: on a slow disk other threads would make them
    server = await startChild({
      parent: '/dev/shm',
      keys: { [ALICE]: certificate, [BOB]: certificate },
    });
    main = server.process.pid;
    // It is the youngest thread: the others began before the first delivery.
    diskThread = threads().at(-1) ?? 0;
    assert.deepEqual(await send(SMALL), [STORED, STORED]);
    for (const address of [ALICE, BOB]) count(address);
    assert.equal(threads().at(-1), diskThread);
  });
  after(async () => {
    await server?.stop();
  });

  // Both copies go in one batch, with that of the first recipient first.
  for (const [what, step, where, reply] of [
    ['openat:error=EMFILE:when=1', 'create of the file', '/alice/tmp/', TROUBLE],
    ['write:error=ENOSPC:when=1', 'its write', '/alice/tmp/', FULL],
    ['write:error=EDQUOT:when=1', 'its write', '/alice/tmp/', QUOTA],
    ['fsync:error=EIO:when=1', 'its fsync', '/alice/tmp/', TROUBLE],
    ['rename:error=EIO:when=1', 'its rename', '/alice/new/', TROUBLE],
    ['openat:error=EMFILE:when=3', 'open of new/', '/alice/new"', TROUBLE],
    ['fsync:error=EIO:when=3', 'fsync of new/', '/alice/new>', TROUBLE],
  ] as const) {
    test(`F1: small message, ${step} (${what}): ${reply}, nothing left, the other stored`, async () => {
      const injection = await inject([diskThread], what);
      const replies = await send(SMALL);
      const failed = await injection.end();
      assert.equal(failed.length, 1, 'never tried again');
      assert.ok(failed[0]?.includes(where), failed[0]);
      assert.deepEqual(replies, [reply, STORED]);
      count(BOB);
      await assertNextIsFine();
    });
  }

  for (const [what, step, reply] of [
    ['openat:error=EMFILE', 'create of the file', TROUBLE],
    ['writev:error=ENOSPC', 'its writes', FULL],
    ['writev:error=EIO', 'its writes', TROUBLE],
    ['fsync:error=EIO', 'its fsync', TROUBLE],
  ] as const) {
    test(`F1: large message, ${step} (${what}): ${reply}, nothing left`, async () => {
      const injection = await inject(
        threads().filter((thread) => thread !== main),
        what,
      );
      const replies = await send(LARGE, [ALICE]);
      const failed = await injection.end();
      assert.equal(failed.length, 1, 'never tried again');
      assert.ok(failed[0]?.includes('/alice/tmp/'), failed[0]);
      assert.deepEqual(replies, [reply]);
      await assertNextIsFine();
    });
  }

  test('F5: large message, fsync of new/ of one (fsync:error=EIO): 451 4.3.0, nothing left, the other stored', async () => {
    const injection = await inject(threads(), 'fsync:error=EIO', join(maildir(ALICE), 'new'));
    const replies = await send(LARGE);
    assert.equal((await injection.end()).length, 1, 'never tried again');
    assert.deepEqual(replies, [TROUBLE, STORED]);
    count(BOB);
    await assertNextIsFine();
  });
});
