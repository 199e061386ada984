// What is held for a next hop that hangs is bounded, however many messages arrive for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CopyFailure } from '../../src/core/errors.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { type NextHop, parseNextHop } from '../../src/core/nexthop.ts';
import { replyOf } from '../../src/core/outcome.ts';
import { ForwardedCopy } from '../../src/forward/copy.ts';
import { Held } from '../../src/forward/held.ts';
import { openConnection } from '../../src/forward/opening.ts';
import { Pool } from '../../src/forward/pool.ts';
import { startNextHop } from '../support/nexthop.ts';
import { until } from '../support/until.ts';

const MOST = 8_000_000;
const EACH = 200_000;
const ENVELOPE = { sender: Buffer.alloc(0), path: 'a@example.com', smtpUtf8: false, eightBit: false };

/** Bytes of all buffers that are reachable. */
async function bufferBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let n = 0; n < 3; n++) {
    collect();
    await nextTurn(); // memory of buffers is freed a turn later
  }
  return process.memoryUsage().arrayBuffers;
}

test('F52: copies for a next hop that hangs are held up to a bound, the others are deferred at once', async (t) => {
  let isHung = true;
  const server = await startNextHop({
    script: (step) => (step === 'DATA' && isHung ? 'silence' : undefined),
  });
  const hop = parseNextHop(server.address) as NextHop;
  const pool = new Pool({
    most: 2,
    open: () => openConnection({ hop, host: 'mx.example.com', needsTls: false, ca: undefined }),
    fault: () => undefined,
  });
  t.after(async () => {
    pool.close();
    await server.stop();
  });
  const held = new Held(MOST);
  const copyOf = async () => {
    const copy = new ForwardedCopy({ pool, held, envelope: ENVELOPE, meter: UNMETERED });
    try {
      for (let n = 0; n < 4; n++) await copy.writeOwned([Buffer.alloc(EACH / 4, 'x')]);
      await copy.finish();
    } catch (error) {
      assert.ok(error instanceof CopyFailure);
      const { code, enhanced } = replyOf(error.why);
      assert.equal(`${code} ${enhanced}`, '451 4.4.5');
      await copy.abort();
      return undefined;
    }
    return { copy, ended: copy.commit(EACH, EACH).catch(() => 'failed') };
  };
  const before = await bufferBytes();
  const copies = [];
  for (let n = 0; n < 200; n++) copies.push(await copyOf());
  const taken = copies.filter((each) => each !== undefined);
  assert.equal(taken.length, MOST / EACH);
  assert.equal(held.bytes, MOST);
  await until('the connections are in use', () => server.said.filter((line) => line === 'DATA').length === 2);
  const grown = (await bufferBytes()) - before;
  assert.ok(grown > MOST / 2 && grown < 2 * MOST, `${grown} bytes are held`);

  // of each way to end one gives its room back
  for (const { copy } of taken.slice(-10)) void copy.abort();
  assert.equal(held.bytes, MOST - 10 * EACH);
  isHung = false;
  server.cut();
  await Promise.all(taken.map(({ ended }) => ended));
  assert.equal(held.bytes, 0);
  assert.ok(server.taken.length > 0);
  const large = new ForwardedCopy({ pool, held, envelope: ENVELOPE, meter: UNMETERED });
  for (let n = 0; n < 100; n++) await large.writeOwned([Buffer.alloc(EACH, 'x')]);
  await large.finish();
  assert.ok(held.bytes <= EACH, 'what is sent as it is made is not held');
  await large.commit(100 * EACH, 100 * EACH);
  assert.equal(held.bytes, 0);
});
