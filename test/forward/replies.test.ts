// Replies that make no sense, and those that come at the wrong time: nothing is acknowledged for them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { CopyFailure } from '../../src/core/errors.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { parseNextHop } from '../../src/core/nexthop.ts';
import { ForwardedCopy } from '../../src/forward/copy.ts';
import { Held } from '../../src/forward/held.ts';
import { openConnection } from '../../src/forward/opening.ts';
import { Pool } from '../../src/forward/pool.ts';
import { LostError, ReplyReader } from '../../src/forward/replies.ts';
import { type NextHopOptions, startNextHop } from '../support/nexthop.ts';
import { until } from '../support/until.ts';

const ENVELOPE = { sender: Buffer.alloc(0), path: 'a@example.com', smtpUtf8: false, eightBit: false };

function poolAt(t: TestContext, address: string): Pool {
  const hop = parseNextHop(address);
  assert.ok(typeof hop !== 'string');
  const open = () => openConnection({ hop, host: 'mx.example.com', needsTls: false, ca: undefined });
  const pool = new Pool({ most: 2, open, fault: () => undefined });
  t.after(() => pool.close());
  return pool;
}

/** Sends a copy; returns why it failed. */
async function fateOf(pool: Pool, bytes: number, counted: string[] = []): Promise<string> {
  const meter = { forwarded: (result: string) => void counted.push(result) };
  const copy = new ForwardedCopy({ pool, held: new Held(100_000_000), envelope: ENVELOPE, meter });
  try {
    await copy.write([Buffer.alloc(bytes, 'x')]);
    await copy.finish();
    await copy.commit(bytes, bytes);
    return 'accepted';
  } catch (error) {
    await copy.abort();
    assert.ok(error instanceof CopyFailure);
    return error.why;
  }
}

test('a reply of two codes, or with nonsense beside it, is no reply', async (t) => {
  let text = '';
  const options: NextHopOptions = { script: (step) => (step === 'end' ? text : undefined) };
  const hop = await startNextHop(options);
  t.after(() => hop.stop());
  const pool = poolAt(t, hop.address);
  const fates = [
    ['250-2.0.0 yes\r\n250 2.0.0 saved', 'accepted'],
    ['550-no such user\r\n250 ok', 'nextHopLost'],
    ['250-5.1.1 x\r\n550 y', 'nextHopLost'],
    ['nonsense\r\n250 ok', 'nextHopLost'],
    ['250 ok\r\nnonsense', 'nextHopLost'],
    ['250', 'accepted'],
  ] as const;
  for (const [said, fate] of fates) {
    text = said;
    assert.equal(await fateOf(pool, 3000), fate, said);
    assert.equal(await fateOf(pool, 300_000), fate, said);
  }
  assert.deepEqual([pool.taken, pool.idle], [0, 1]);
});

test('a reply is bounded, however short its lines are, and whoever is wrong is left at once', async () => {
  let left = 0;
  const reader = () => new ReplyReader(() => left++);
  const endless = reader();
  for (let n = 0; n < 100_000 && !endless.isLost; n++) endless.feed(Buffer.from('250-\r\n'.repeat(100)));
  assert.throws(() => endless.peek(), LostError);
  const many = reader();
  many.feed(Buffer.from('250 x\r\n'.repeat(20)));
  assert.throws(() => many.peek(), LostError);
  const closed = reader();
  closed.feed(Buffer.from('250 x\r\n'));
  closed.end('it closed the connection');
  assert.equal((await closed.next(1000)).code, 250, 'what came before the end counts');
  await assert.rejects(closed.next(1000), LostError);
  assert.equal(left, 2);
});

test('a refused recipient is refused, though the next hop waits for the message', async (t) => {
  const hop = await startNextHop({
    script: (step) => (step === 'RCPT' ? '550 5.1.1 no\r\n354 go ahead' : step === 'DATA' ? '' : undefined),
  });
  t.after(() => hop.stop());
  const pool = poolAt(t, hop.address);
  const counted: string[] = [];
  for (const bytes of [3000, 300_000]) assert.equal(await fateOf(pool, bytes, counted), 'nextHopUnknown');
  assert.deepEqual(counted, ['refused', 'refused'], 'each is counted once');
  assert.deepEqual([pool.taken, pool.idle, hop.taken.length], [0, 0, 0]);
});

/** It reads the beginning of a message, and then nothing, until it is let go on. */
async function stoppedHop(t: TestContext) {
  let stopped: Socket | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).write('220 hop\r\n');
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (text.startsWith('LHLO')) socket.write('250-hop\r\n250 PIPELINING\r\n');
      else if (text.startsWith('MAIL')) socket.write('250 ok\r\n250 ok\r\n354 go\r\n');
      else stopped = socket.pause();
    });
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { address: `lmtp:inet:127.0.0.1:${port}`, stopped: () => stopped };
}

test('250 before all of the message has left is not believed, a refusal is', async (t) => {
  for (const [answer, why] of [
    ['250 2.0.0 saved', 'nextHopLost'],
    ['552 5.3.4 large', 'tooBig'],
  ] as const) {
    const hop = await stoppedHop(t);
    const pool = poolAt(t, hop.address);
    const copy = new ForwardedCopy({
      pool,
      held: new Held(100_000_000),
      envelope: ENVELOPE,
      meter: UNMETERED,
    });
    const bytes = 30_000_000; // more than sockets hold
    copy.write([Buffer.alloc(bytes, 'x')])?.catch(() => undefined);
    await until('it has stopped', () => hop.stopped() !== undefined);
    const committed = copy.commit(bytes, bytes);
    hop.stopped()?.write(`${answer}\r\n`);
    await assert.rejects(committed, (error: unknown) => error instanceof CopyFailure && error.why === why);
    assert.deepEqual([pool.taken, pool.idle], [0, 0]);
  }
});
