// A file system turns read-only in the middle of a delivery: its recipient is deferred, and the other one is
// served.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { LoopMount, needsLoopMount } from '../support/loopmount.ts';
import { SMALL_DISK, startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';
import { asData } from '../support/wireform.ts';

const ALICE = 'alice@mounted.example'; // this domain has a file system of its own
const BOB = 'bob@example.com';
const { certificate } = await makeKey(ALICE);
const MESSAGE = messageOfSize(500_000);

async function withMount(work: (server: TestServer, mount: LoopMount) => Promise<void>): Promise<void> {
  const server = await startSealdir({
    keys: { [ALICE]: certificate, [BOB]: certificate },
    toml: { store: SMALL_DISK },
  });
  const directory = join(server.directory, 'mail/mounted.example');
  await mkdir(directory);
  const mount = await LoopMount.open('ext4', directory, 'errors=remount-ro');
  try {
    await work(server, mount);
  } finally {
    await server.drain();
    await mount.close();
    await server.stop();
  }
}

/**
 * Sends a message to both and calls `turn` between its first `bytes` and the rest. Resolves to the replies.
 */
async function deliverWith(server: TestServer, bytes: number, turn: () => Promise<void>): Promise<string[]> {
  const session = await openSession(server.socketPath);
  const data = asData(MESSAGE);
  await session.say('MAIL FROM:<>');
  for (const address of [ALICE, BOB]) assert.match(await session.say(`RCPT TO:<${address}>`), /^250/);
  assert.match(await session.say('DATA'), /^354/);
  session.write(data.subarray(0, bytes));
  await turn();
  session.write(data.subarray(bytes));
  const replies = [await session.reply(), await session.reply()];
  await session.vanish();
  return replies;
}

async function assertServedAgain(server: TestServer): Promise<void> {
  const session = await openSession(server.socketPath);
  const { final } = await deliver(session, { to: [ALICE], message: MESSAGE });
  assert.match(final[0] ?? '', /^250 2\.0\.0 /);
  assert.equal((await server.files(ALICE, 'new')).length, 1);
  await session.vanish();
}

describe('a file system turned read-only', { ...(await needsLoopMount()), timeout: 240_000 }, () => {
  test('F10: by a remount, before the first write: 451 4.3.0 and nothing left; once writable it takes mail again', () =>
    withMount(async (server, mount) => {
      const replies = await deliverWith(server, 100, () => mount.remount('ro'));
      assert.match(replies[0] ?? '', /^451 4\.3\.0 /);
      assert.match(replies[1] ?? '', /^250 2\.0\.0 /);
      await mount.remount('rw');
      assert.deepEqual([...(await server.files(ALICE, 'tmp')), ...(await server.files(ALICE, 'new'))], []);
      await assertServedAgain(server);
    }));

  test('F10: by an error of its own, while a file is open: 451 4.3.0, and nothing in new/', () =>
    withMount(async (server, mount) => {
      const isStaged = async () => (await server.files(ALICE, 'tmp')).length > 0;
      const replies = await deliverWith(server, MESSAGE.length - 100, async () => {
        await until('a part of the message is on disk', isStaged);
        await mount.failReadOnly();
      });
      assert.match(replies[0] ?? '', /^451 4\.3\.0 /);
      assert.match(replies[1] ?? '', /^250 2\.0\.0 /);
      assert.deepEqual(await server.files(ALICE, 'new'), []);
      assert.equal((await server.files(ALICE, 'tmp')).length, 1, 'it could not be removed: the sweep will');
      await mount.unmount();
      await mount.mount();
      await assertServedAgain(server);
    }));
});
