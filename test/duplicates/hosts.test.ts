// What hosts remember together in a real Redis: who is told that a copy is stored, who waits, what is kept
// there, and what becomes of it all while Redis is gone.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { parseRedisAddress } from '../../src/core/redisaddress.ts';
import { type HostClaim, SharedDeliveries } from '../../src/duplicates/hosts.ts';
import { loadRedis, openRedis } from '../../src/duplicates/redis.ts';
import { needs } from '../support/peers.ts';
import { freeze } from '../support/process.ts';
import { delay, NEEDED, type Redis, startRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const SECRET = randomBytes(32);
const WINDOW_MS = 60_000;

/** As core/identity.ts makes it: hashes under the secret. */
function copyOf(name: string, ...paths: string[]) {
  const hash = (text: string) => createHmac('sha256', SECRET).update(text).digest();
  return {
    copy: hash(name).toString('latin1', 0, 11),
    paths: (paths.length === 0 ? ['path'] : paths).map((path) => hash(`${name}\n${path}`)),
  };
}

describe('hosts that remember together', needs(...NEEDED), () => {
  let redis: Redis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());

  const openHost = (t: TestContext, url = redis.url, times: { openMs?: number } = {}) => {
    const address = parseRedisAddress(url);
    assert.ok(typeof address !== 'string');
    const said: string[] = [];
    const shared = new SharedDeliveries({
      secret: SECRET,
      windowMs: WINDOW_MS,
      load: loadRedis,
      open: (waitMs) => openRedis({ address, passwordFile: '', caFile: '' }, waitMs),
      lost: (error) => said.push((error as Error).message),
      back: () => said.push('back'),
      retryMs: 200,
      ...times,
    });
    t.after(() => shared.close());
    return Object.assign(shared, { said });
  };
  const claimed = async (host: SharedDeliveries, ...copy: Parameters<typeof copyOf>): Promise<HostClaim> => {
    const claim = await host.claim(copyOf(...copy));
    assert.ok(typeof claim !== 'string', `claimed, not ${claim}`);
    return claim;
  };

  test('a copy is one host at a time, and known to all once it is stored', async (t) => {
    const [one, other] = [openHost(t), openHost(t)];
    const claim = await claimed(one, 'a');
    assert.equal(await other.claim(copyOf('a')), 'elsewhere');
    assert.equal(await one.claim(copyOf('a')), 'elsewhere');
    await claim.stored();
    assert.equal(await other.claim(copyOf('a')), 'stored');
    assert.equal(await one.claim(copyOf('a')), 'stored');
    assert.deepEqual([...one.said, ...other.said], []);
  });

  test('one that failed is anybodys again', async (t) => {
    const [one, other] = [openHost(t), openHost(t)];
    (await claimed(one, 'b')).failed();
    await until('it is free', async () => typeof (await other.claim(copyOf('b'))) !== 'string');
  });

  test('a copy answers the paths that it was stored for, together or one by one', async (t) => {
    const host = openHost(t);
    await (await claimed(host, 'c', 'x', 'y')).stored();
    assert.equal(await host.claim(copyOf('c', 'x')), 'stored');
    await (await claimed(host, 'c', 'z', 'x')).stored();
    assert.equal(await host.claim(copyOf('c', 'z', 'y')), 'stored');
  });

  test('what was stored is forgotten after its time, and a claim that nobody renews sooner', async (t) => {
    const host = openHost(t);
    await redis.cli('FLUSHALL');
    const claim = await claimed(host, 'd');
    const [name = ''] = await redis.keys();
    const left = Number(await redis.cli('PTTL', name));
    assert.ok(left > 0 && left <= 15_000, `${left} ms`);
    await claim.stored();
    const [record = '', ...rest] = await redis.keys();
    assert.deepEqual(rest, [], 'the claim is gone');
    const kept = Number(await redis.cli('PTTL', record));
    assert.ok(kept > 15_000 && kept <= WINDOW_MS, `${kept} ms`);
  });

  test('whoever does not know the secret can make nobody believe that a copy is stored', async (t) => {
    const host = openHost(t);
    await redis.cli('FLUSHALL');
    await (await claimed(host, 'e')).stored();
    const [record = ''] = await redis.keys();
    for (const forged of ['1', '', 'x'.repeat(12)]) {
      await redis.cli('SET', record, forged);
      (await claimed(host, 'e')).failed();
      await until('it is released', async () => (await redis.keys()).length === 1);
    }
  });

  test('a server that is killed, and another that begins empty: said once, and told what was missed', async (t) => {
    const [one, other] = [openHost(t), openHost(t)];
    await (await claimed(one, 'f')).stored();
    const claim = await claimed(one, 'g');
    await redis.kill();
    await claim.stored(); // nobody hears it
    for (const name of ['h', 'i']) await (await claimed(one, name)).stored();
    assert.equal(one.isReachable, false);
    assert.equal(one.said.length, 1);
    assert.ok(one.failures > 0);
    await redis.restart();
    await until('both are back', () => one.isReachable && other.isReachable);
    for (const name of ['g', 'h', 'i']) assert.equal(await other.claim(copyOf(name)), 'stored', name);
    assert.notEqual(await other.claim(copyOf('f')), 'stored', 'what the first one alone knew is lost');
    assert.equal(one.said.at(-1), 'back');
    assert.equal(one.said.length, 2);
  });

  test('a server that hangs holds a delivery up once, and is asked again when it answers', async (t) => {
    const host = openHost(t);
    await claimed(host, 'j');
    await freeze(redis.pid);
    try {
      const claim = await claimed(host, 'k'); // after a second
      assert.deepEqual(host.said, ['no answer in 1000 ms']);
      await claim.stored();
      await (await claimed(host, 'l')).stored();
      assert.ok(host.failures < 3, 'asked once for all');
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    await until('it is back', () => host.isReachable);
    assert.equal(await host.claim(copyOf('l')), 'stored');
  });

  test('a server that is slow is done without; one that answers in time is not', async (t) => {
    const far = await delay(redis.path);
    t.after(() => far.stop());
    const host = openHost(t, far.url);
    far.delayMs = 100;
    await (await claimed(host, 'm')).stored();
    assert.equal(await host.claim(copyOf('m')), 'stored');
    far.delayMs = 2000;
    await claimed(host, 'm');
    assert.deepEqual(host.said, ['no answer in 1000 ms']);
  });

  test('a server that takes connections and says nothing is left with none, however often it is tried', async (t) => {
    const open = new Set<Socket>();
    let came = 0;
    const server = createServer((socket) => {
      came++;
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => open.delete(socket));
      socket.resume();
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (const scheme of ['redis', 'rediss']) {
      const before = came;
      const host = openHost(t, `${scheme}://127.0.0.1:${port}`, { openMs: 100 });
      await until('it was tried again and again', () => came >= before + 4);
      assert.ok(open.size <= 2, `${open.size} of ${came} connections are open`);
      assert.equal(host.said.length, 1);
      host.close();
    }
    await until('all are closed', () => open.size === 0);
  });

  test('a server that takes no records is not one that is there', async (t) => {
    const host = openHost(t);
    await claimed(host, 'n');
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    t.after(() => redis.cli('CONFIG', 'SET', 'maxmemory', '0'));
    await (await claimed(host, 'o')).stored();
    assert.match(host.said[0] ?? '', /OOM/);
    assert.equal(host.isReachable, false);
    const before = host.failures;
    await until('it was tried again', () => host.failures > before);
    assert.equal(host.said.length, 1);
  });

  test('many copies at once are few packets: none waits for another', async (t) => {
    const far = await delay(redis.path);
    t.after(() => far.stop());
    const host = openHost(t, far.url);
    await claimed(host, 'p');
    const before = far.packets;
    const names = Array.from({ length: 100 }, (_, n) => `many ${n}`);
    await Promise.all(names.map(async (name) => (await claimed(host, name)).stored()));
    assert.ok(far.packets - before < 20, `${far.packets - before} packets for 100 copies`);
    const found = await Promise.all(names.map((name) => host.claim(copyOf(name))));
    assert.ok(found.every((each) => each === 'stored'));
  });
});
