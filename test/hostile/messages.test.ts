// Messages made to be expensive: nothing but dots, a header of countless fields, an endless line.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TARGET, underAttack } from '../support/attack.ts';
import type { ChildServer } from '../support/child.ts';
import { openSession } from '../support/lmtp.ts';
import { isLong, shortOf } from '../support/long.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

const MIB = 1024 * 1024;

/** The blocks that are sent after DATA, and the reply that they must get. */
interface Bomb {
  readonly what: string;
  readonly blocks: readonly [block: string, times: number][];
  readonly reply: RegExp;
}

const STORED = /^250 2\.0\.0 /;
const HEADER_TOO_BIG = /^552 5\.3\.4 Message header too big/;

const BOMBS: readonly Bomb[] = [
  { what: '2 million stuffed dots', blocks: [['..\r\n'.repeat(MIB / 4), 8]], reply: STORED },
  { what: 'lines of stuffed dots', blocks: [[`${'.'.repeat(998)}\r\n`.repeat(1000), 8]], reply: STORED },
  {
    what: 'a header of 100,000 fields',
    blocks: [
      ['a: b\r\n'.repeat(1000), 100],
      ['\r\nx\r\n', 1],
    ],
    reply: STORED,
  },
  {
    what: 'a field folded 100,000 times',
    blocks: [
      ['a: b\r\n', 1],
      [' b\r\n'.repeat(1000), 100],
      ['\r\nx\r\n', 1],
    ],
    reply: STORED,
  },
  {
    what: 'a header line of 1.9 MB',
    blocks: [
      ['a: b', 1],
      ['x'.repeat(1000), 1900],
      ['\r\n\r\nx\r\n', 1],
    ],
    reply: STORED,
  },
  {
    what: 'a header line of 10 MB',
    blocks: [
      ['a: b', 1],
      ['x'.repeat(1000), 10_000],
      ['\r\n\r\nx\r\n', 1],
    ],
    reply: HEADER_TOO_BIG,
  },
  {
    what: 'a header of 500,000 fields',
    blocks: [
      ['a: b\r\n'.repeat(1000), 500],
      ['\r\nx\r\n', 1],
    ],
    reply: HEADER_TOO_BIG,
  },
  {
    what: 'a body line of 20 MB',
    blocks: [
      ['a: b\r\n\r\n', 1],
      ['x'.repeat(10_000), 2000],
      ['\r\n', 1],
    ],
    reply: STORED,
  },
];

async function deliver(server: ChildServer, { blocks }: Bomb, recipients: number): Promise<string[]> {
  const session = await openSession(server.socketPath);
  await session.say('MAIL FROM:<>');
  for (let n = 0; n < recipients; n++) assert.match(await session.say(`RCPT TO:<${TARGET}>`), /^250/);
  assert.match(await session.say('DATA'), /^354/);
  for (const [block, times] of blocks) {
    const bytes = Buffer.from(block);
    for (let n = 0; n < times; n++) if (!session.socket.write(bytes)) await once(session.socket, 'drain');
  }
  session.write('.\r\n');
  const replies: string[] = [];
  for (let n = 0; n < recipients; n++) replies.push(await session.reply());
  await session.vanish();
  return replies;
}

const AT_ONCE = isLong ? 8 : 2;

test('messages made to be expensive are delivered whole or refused', { timeout: 480_000 }, async (t) => {
  const key = await makeKey(TARGET);
  await underAttack(t, { keys: { [TARGET]: key.certificate } }, async (server) => {
    const mailbox = join(server.directory, 'mail/example.com/target/new');
    for (const bomb of shortOf(BOMBS, 4)) {
      for (const reply of await deliver(server, bomb, 1)) assert.match(reply, bomb.reply, bomb.what);
      const [file, ...others] = await readdir(mailbox);
      assert.equal(others.length, 0);
      assert.equal(file !== undefined, bomb.reply === STORED, bomb.what);
      if (file === undefined) continue;
      const sent = bomb.blocks.map(([block, times]) => block.replace(/^\./gm, '').repeat(times)).join('');
      const stored = await readSealed(await readFile(join(mailbox, file)), key);
      assert.ok(stored.equals(Buffer.from(sent)), `${bomb.what} comes back as it was sent`);
      await rm(join(mailbox, file));
    }
  });
});

test(
  `${AT_ONCE} messages with 200,000 header fields each are delivered at the same time`,
  { timeout: 480_000 },
  (t) =>
    underAttack(t, {}, async (server) => {
      const bomb: Bomb = {
        what: 'a header of 200,000 fields',
        blocks: [
          ['a: b\r\n'.repeat(1000), 200],
          ['\r\nx\r\n', 1],
        ],
        reply: STORED,
      };
      const replies = await Promise.all(Array.from({ length: AT_ONCE }, () => deliver(server, bomb, 1)));
      for (const reply of replies.flat()) assert.match(reply, bomb.reply);
    }),
);
