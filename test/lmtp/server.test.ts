// The LMTP server with real deliveries, and a clock and a disk that the test holds: whose time is counted?

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Disk } from '../../src/disk/disk.ts';
import { Connections } from '../../src/lmtp/connections.ts';
import { LmtpServer } from '../../src/lmtp/server.ts';
import { openSite } from '../support/delivery.ts';
import { FakeDisk, gate } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { openSession } from '../support/lmtp.ts';
import { listenFor } from '../support/lmtpport.ts';
import { until } from '../support/until.ts';

const alice = await freshKey('alice@example.com');
// The server looks at its clock every BLOCK_MS of real time, but sees only the time that the test lets pass.
const BLOCK_MS = 20;
const FOREVER_MS = 1_000_000_000;
const BLOCK = Buffer.from(`${'x'.repeat(62)}\r\n`.repeat(1024)); // 64 KiB

/** Opens a server whose client is in the middle of DATA. */
async function openData(t: TestContext, disk: Disk) {
  const site = await openSite(t, { keys: [alice], disk });
  let micros = 0;
  let given = 0;
  let taken = 0;
  const server = new LmtpServer(
    {
      world: { micros: () => micros },
      host: 'mx.example.com',
      maxMessageBytes: 10_000_000,
      maxConnections: 10,
      maxPeerConnections: 10,
      idleMs: FOREVER_MS,
      blockMs: BLOCK_MS,
      dataMs: FOREVER_MS,
      sessionMs: FOREVER_MS,
      tls: undefined,
      requiresTls: false,
      distrusted: () => assert.fail(),
      replied: () => {},
      begin() {
        const transaction = site.transaction();
        const write = transaction.write.bind(transaction);
        transaction.write = async (pieces) => {
          const bytes = Buffer.concat(pieces).length;
          given += bytes;
          await write(pieces);
          taken += bytes;
        };
        return transaction;
      },
      fault(what, error) {
        assert.fail(`${what}: ${error}`);
      },
    },
    new Connections(),
  );
  const session = await openSession(await listenFor(server, t));
  t.after(() => session.vanish());
  for (const line of ['MAIL FROM:<>', 'RCPT TO:<alice@example.com>', 'DATA']) await session.say(line);
  return {
    session,
    /** Returns how many bytes of the message the delivery has dealt with. */
    taken: () => taken,
    /** Returns whether the delivery holds the client back. */
    isHolding: () => given > taken,
    /** Lets time pass, and gives the server the occasion to look at it. */
    async pass(ms: number) {
      micros += ms * 1000;
      await pause(3 * BLOCK_MS);
    },
  };
}

test('a client may take all the time it wants, as long as each block comes in time', {
  timeout: 60_000,
}, async (t) => {
  const { session, taken, pass } = await openData(t, new FakeDisk());
  for (let sent = 1; sent <= 5; sent++) {
    session.write(BLOCK);
    await until('the server has it', () => taken() === sent * BLOCK.length);
    await pass(BLOCK_MS - 1);
  }
  session.write('.\r\n');
  assert.match(await session.reply(), /^250 2\.0\.0 /);
});

test('a client that sends less than a block gets no more time for it', { timeout: 60_000 }, async (t) => {
  const { session, taken, pass } = await openData(t, new FakeDisk());
  const half = BLOCK.subarray(0, BLOCK.length / 2 - 64);
  for (let sent = 1; sent <= 2; sent++) {
    session.write(half);
    await until('the server has it', () => taken() === sent * half.length);
    await pass(BLOCK_MS / 2);
  }
  assert.match(await session.reply(), /^421 4\.4\.2 /);
});

test('time in which a slow disk makes us hold the client back is not counted against it', {
  timeout: 60_000,
}, async (t) => {
  const hanging = gate();
  const disk = new FakeDisk({
    async before({ name }) {
      if (name === 'writev') await hanging.opened;
    },
  });
  const { session, isHolding, pass } = await openData(t, disk);
  for (let sent = 0; sent < 16; sent++) session.write(BLOCK);
  session.write('.\r\n');
  await until('the server has it', () => disk.named('writev').length > 0 && isHolding());
  await pass(100 * BLOCK_MS);
  hanging.open();
  assert.match(await session.reply(), /^250 2\.0\.0 /);
});
