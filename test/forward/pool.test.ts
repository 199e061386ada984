// The connections to a next hop: how many, how long they are kept, and what becomes of those who find none.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CopyFailure } from '../../src/core/errors.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { parseNextHop } from '../../src/core/nexthop.ts';
import { replyOf } from '../../src/core/outcome.ts';
import type { HopConnection } from '../../src/forward/connection.ts';
import { ForwardedCopy } from '../../src/forward/copy.ts';
import { Held } from '../../src/forward/held.ts';
import { openConnection } from '../../src/forward/opening.ts';
import { BusyError, Pool, UnreachableError } from '../../src/forward/pool.ts';
import { type NextHopOptions, startNextHop } from '../support/nexthop.ts';
import { until } from '../support/until.ts';

const ENVELOPE = { sender: Buffer.alloc(0), path: 'a@example.com', smtpUtf8: false, eightBit: false };

async function poolOf(t: TestContext, most: number, options: NextHopOptions = {}) {
  const server = await startNextHop(options);
  const hop = parseNextHop(server.address);
  assert.ok(typeof hop !== 'string');
  const faults: string[] = [];
  const pool = new Pool({
    most,
    open: () => openConnection({ hop, host: 'mx.example.com', needsTls: false, ca: undefined }),
    fault: (error) => faults.push((error as Error).message),
  });
  t.after(async () => {
    pool.close();
    await server.stop();
  });
  return { pool, server, faults };
}

test('F52: whoever finds no connection free gets the next one, first come first served, or is told so', async (t) => {
  const { pool, server } = await poolOf(t, 2);
  const [one, two] = [await pool.take(1000, 'quick'), await pool.take(1000, 'quick')];
  await assert.rejects(pool.take(10, 'quick'), BusyError);
  const order: string[] = [];
  const waiting = ['third', 'fourth'].map(async (name) => {
    const lease = await pool.take(5000, 'quick');
    order.push(name);
    return lease;
  });
  pool.give(one.connection);
  pool.drop(two.connection);
  const leases = await Promise.all(waiting);
  assert.deepEqual(order, ['third', 'fourth']);
  assert.deepEqual(
    leases.map(({ isReused }) => isReused),
    [true, false],
  );
  assert.equal(server.connections().came, 3);
  const copy = new ForwardedCopy({ pool, held: new Held(100_000_000), envelope: ENVELOPE, meter: UNMETERED });
  // one that is sent as it is made waits for 5 s at most
  const sending = copy.write([Buffer.alloc(300_000, 'x')]);
  await assert.rejects(sending ?? Promise.resolve(), (error: unknown) => {
    assert.ok(error instanceof CopyFailure);
    const { code, enhanced } = replyOf(error.why);
    assert.equal(`${code} ${enhanced}`, '451 4.4.5');
    return true;
  });
  await copy.abort();
  for (const { connection } of leases) pool.give(connection);
  assert.deepEqual([pool.taken, pool.idle], [0, 2]);
});

test('an idle connection that is closed, or says something, is none any more', async (t) => {
  const { pool, server } = await poolOf(t, 3);
  const leases = [await pool.take(1000, 'quick'), await pool.take(1000, 'quick')];
  for (const { connection } of leases) pool.give(connection);
  server.cut();
  await until('they are forgotten', () => pool.idle === 0);
  const { connection, isReused } = await pool.take(1000, 'quick');
  assert.equal(isReused, false);
  pool.give(connection);
  assert.equal(pool.idle, 1);
});

test('copies that are sent while they arrive leave half of the connections to the others', async (t) => {
  const { pool } = await poolOf(t, 4);
  const slow = [await pool.take(1000, 'slow'), await pool.take(1000, 'slow')];
  await assert.rejects(pool.take(10, 'slow'), BusyError);
  const third = pool.take(5000, 'slow');
  const quick = [await pool.take(1000, 'quick'), await pool.take(1000, 'quick')];
  const fourth = pool.take(5000, 'quick');
  pool.give(quick[0]?.connection as HopConnection);
  pool.give((await fourth).connection); // it was not behind one that cannot begin
  pool.drop(slow[0]?.connection as HopConnection);
  pool.give((await third).connection);
  pool.give(slow[1]?.connection as HopConnection);
  pool.give(quick[1]?.connection as HopConnection);
  assert.deepEqual([pool.taken, pool.idle], [0, 3]);
  const { pool: small } = await poolOf(t, 1);
  small.give((await small.take(1000, 'slow')).connection);
});

test('a next hop that cannot be reached is told of once, until it can be reached again', async (t) => {
  let isDown = true;
  const { pool, faults } = await poolOf(t, 2, {
    script: (step) => (step === 'greeting' && isDown ? '421 4.3.2 too many connections' : undefined),
  });
  const fails = () => assert.rejects(pool.take(1000, 'quick'), UnreachableError);
  await fails();
  await fails();
  assert.equal(faults.length, 1);
  assert.match(faults[0] ?? '', /421 4\.3\.2/);
  isDown = false;
  pool.drop((await pool.take(1000, 'quick')).connection);
  isDown = true;
  await fails();
  assert.equal(faults.length, 2);
  assert.equal(pool.taken, 0);
});

test('a closed pool lets go of all its connections', async (t) => {
  const { pool, server } = await poolOf(t, 2);
  const busy: HopConnection = (await pool.take(1000, 'quick')).connection;
  pool.give((await pool.take(1000, 'quick')).connection);
  pool.close();
  await until('all are closed', () => server.connections().open === 0);
  assert.equal(busy.isUsable, false);
});
