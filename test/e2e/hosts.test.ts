// Servers on one store that remember deliveries together in a real Redis: a message that comes again to
// another of them, two of them at the same moment, and Redis killed under load, emptied, stopped, or closed.

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import { ALICE, BEFORE, BOB, keysOf, SEALED, send } from '../support/attempts.ts';
import { CLI } from '../support/child.ts';
import { type Host, openSharedSite } from '../support/hosts.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { startNextHop } from '../support/nexthop.ts';
import { needs } from '../support/peers.ts';
import { freeze, start } from '../support/process.ts';
import { delay, NEEDED, type RedisOptions, startRedis } from '../support/redis.ts';
import { openAuthority } from '../support/tls.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'a password of Redis 123';
const APART = 'store.state: this host remembers by itself';
const numbered = (n: number) =>
  Buffer.from(`Message-ID: <${n}@id.example.org>\r\nSubject: ${n}\r\n\r\n${n}\r\n`);
const saysApart = ({ log }: Host) => log.filter((line) => line.includes(APART)).length;
const isReachable = async (host: Host) => /^sealdir_shared_state_reachable 1$/m.test(await host.metrics());

describe('hosts with one store and one Redis', needs(...NEEDED, 'openssl'), () => {
  let keys: Awaited<ReturnType<typeof keysOf>>;
  before(async () => {
    keys = await keysOf(ALICE, BOB);
  });

  const open = async (t: TestContext, options: RedisOptions = {}) => {
    const redis = await startRedis(options);
    t.after(() => redis.stop());
    const site = await openSharedSite(t, keys);
    return { redis, site, state: `state = "${redis.url}"` };
  };

  test('a message that comes again to another host is known there, and Redis holds nothing in clear', async (t) => {
    const { redis, site, state } = await open(t, { config: [`requirepass "${PASSWORD}"`] });
    const file = join(site.directory, 'password');
    await writeFile(file, `${PASSWORD}\n`, { mode: 0o600 });
    const store = `${state}\nstate_password_file = "${file}"`;
    const [one, other] = [await site.start('one', store), await site.start('other', store)];

    assert.match(await send(one.socketPath, { message: numbered(1) }), SEALED);
    assert.match(await send(other.socketPath, { message: numbered(1) }), BEFORE);
    assert.equal((await site.stored('alice')).length, 1);
    assert.match(await send(other.socketPath, { message: numbered(1), to: BOB }), SEALED);
    assert.match(await send(one.socketPath, { message: numbered(1), to: BOB }), BEFORE);

    const session = await openSession(other.socketPath);
    const both = await deliver(session, { to: [ALICE, BOB], message: numbered(2) });
    assert.ok(both.final.every((reply) => SEALED.test(reply)));
    await session.vanish();
    assert.match(await send(one.socketPath, { message: numbered(2) }), BEFORE);
    assert.match(await send(one.socketPath, { message: numbered(2), to: BOB }), BEFORE);

    assert.match(await one.metrics(), /^sealdir_shared_state_reachable 1$/m);
    assert.match(await one.metrics(), /^sealdir_shared_state_failures_total 0$/m);
    const auth = ['--no-auth-warning', '-a', PASSWORD];
    const names = (await redis.cli(...auth, '--scan')).split('\n').filter((name) => !name.includes('probe'));
    assert.equal(names.length, 4, 'one for each copy, and no claim is left');
    const values = await redis.cli(...auth, 'MGET', ...names);
    assert.match(names.join('\n'), /^(sealdir:[\w-]{16}\n?)+$/);
    assert.match(values, /^([\w-]{12}\n?)+$/);
    assert.ok(![...one.log, ...other.log].some((line) => line.includes(PASSWORD)));
  });

  test('two hosts that get a message at the same moment store it once', async (t) => {
    const { site, state } = await open(t);
    const hosts = [await site.start('one', state), await site.start('other', state)];
    for (const { socketPath } of hosts) await send(socketPath, { message: numbered(-1) });
    for (let n = 0; n < 10; n++) {
      const replies = await Promise.all(
        hosts.map(({ socketPath }) => send(socketPath, { message: numbered(n) })),
      );
      assert.deepEqual(
        replies
          .map((reply) => (SEALED.test(reply) ? 'sealed' : BEFORE.test(reply) ? 'before' : reply))
          .sort(),
        ['before', 'sealed'],
      );
    }
    assert.equal((await site.stored('alice')).length, 11);
  });

  test('a store of another name is another store, and hosts with another secret know nothing', async (t) => {
    const { redis, site, state } = await open(t);
    const apart = await openSharedSite(t, keys);
    const hosts = [await site.start('one', state), await apart.start('other', state)];
    for (const { socketPath } of hosts) assert.match(await send(socketPath), SEALED);
    assert.equal((await redis.keys()).length, 2);
  });

  test('F54: Redis killed under load: all mail is stored, and said once; back again, hosts know of each other', async (t) => {
    const { redis, site, state } = await open(t);
    const [one, other] = [await site.start('one', state), await site.start('other', state)];
    const count = 120;
    const replies: string[] = [];
    const load = async (first: number) => {
      for (let n = first; n < count; n += 4) {
        replies[n] = await send(one.socketPath, { message: numbered(n) });
        if (n === 40) await redis.kill();
      }
    };
    await Promise.all([0, 1, 2, 3].map(load));
    assert.equal(replies.filter((reply) => SEALED.test(reply)).length, count);
    assert.ok(replies.every((reply) => reply.startsWith('250 2.0.0 ')));
    assert.equal((await site.stored('alice')).length, count, 'each is there once');
    assert.equal(saysApart(one), 1);
    assert.equal(await isReachable(one), false);
    assert.match(await one.metrics(), /^sealdir_shared_state_failures_total [1-9]/m);
    // while it is gone, a host knows its own alone
    assert.match(await send(one.socketPath, { message: numbered(7) }), BEFORE);
    assert.match(await send(other.socketPath, { message: numbered(7) }), SEALED);

    await redis.restart(); // empty
    await until('both are back', async () => (await isReachable(one)) && (await isReachable(other)));
    // what was stored while it was gone has been told; what it alone knew is stored a second time
    assert.match(await send(other.socketPath, { message: numbered(count - 1) }), BEFORE);
    assert.match(await send(other.socketPath, { message: numbered(0) }), SEALED);
    assert.match(await send(one.socketPath, { message: numbered(count) }), SEALED);
    assert.match(await send(other.socketPath, { message: numbered(count) }), BEFORE);
    assert.ok(one.log.some((line) => line.includes('hosts remember together again')));
    assert.equal(saysApart(one), 1);
  });

  test('F54: Redis hangs, or is slow: mail is stored, held up once', async (t) => {
    const { redis, site } = await open(t);
    const far = await delay(redis.path);
    t.after(() => far.stop());
    const state = `state = "${far.url}"`;
    const [one, other] = [await site.start('one', state), await site.start('other', state)];
    assert.match(await send(one.socketPath, { message: numbered(0) }), SEALED);
    await freeze(redis.pid);
    for (let n = 1; n < 20; n++) assert.match(await send(one.socketPath, { message: numbered(n) }), SEALED);
    process.kill(redis.pid, 'SIGCONT');
    assert.equal(saysApart(one), 1);
    await until('it is back', () => isReachable(one));
    for (let n = 0; n < 20; n++) assert.match(await send(other.socketPath, { message: numbered(n) }), BEFORE);
    far.delayMs = 3000;
    assert.match(await send(other.socketPath, { message: numbered(20) }), SEALED);
    assert.match(await send(other.socketPath, { message: numbered(20) }), BEFORE);
    assert.equal((await site.stored('alice')).length, 21);
  });

  test('F54: a host that is killed under load: what it had answered is known to the other one', async (t) => {
    const { site, state } = await open(t);
    const config = await site.configure('one', state);
    const ready = (output: string) => output.includes('"msg":"listening"');
    const one = await start(process.execPath, [CLI, 'serve', '-c', config], { ready });
    const other = await site.start('other', state);
    const socketPath = join(site.directory, 'one/lmtp.sock');
    const replies: string[] = []; // '' if there was none
    const load = async (first: number) => {
      for (let n = first; n < 80; n += 8) {
        replies[n] = await send(socketPath, { message: numbered(n) }).catch(() => '');
        if (n === 40) one.signal('SIGKILL');
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(load));
    await one.stop();
    const answered = replies.filter((reply) => SEALED.test(reply)).length;
    assert.ok(answered >= 40 && answered < 80, `${answered} of 80 were answered`);
    const again = Array.from({ length: 80 }, (_, n) => send(other.socketPath, { message: numbered(n) }));
    for (const [n, reply] of (await Promise.all(again)).entries())
      assert.match(reply, SEALED.test(replies[n] ?? '') ? BEFORE : /^250 2\.0\.0 /, `message ${n}`);
    const copies = (await site.stored('alice')).length;
    assert.ok(copies >= 80 && copies <= 80 + 8, `${copies}: at most those under way are there twice`);
  });

  test('a wrong password, and a certificate of a stranger: mail goes on, and the log says which', async (t) => {
    const { redis, site, state } = await open(t, { config: [`requirepass "${PASSWORD}"`] });
    const file = join(site.directory, 'password');
    await writeFile(file, 'wrong\n', { mode: 0o600 });
    const host = await site.start('one', `${state}\nstate_password_file = "${file}"`);
    assert.match(await send(host.socketPath), SEALED);
    assert.equal(saysApart(host), 1);
    assert.ok(host.log.some((line) => line.includes(APART) && /WRONGPASS/.test(line)));
    assert.ok(!host.log.some((line) => line.includes('wrong\\n')));
    await host.stop();

    const authority = await openAuthority(site.directory);
    const certificate = await authority.certify('redis', { names: ['localhost'] });
    const stranger = await openAuthority(site.directory, 'stranger');
    const secure = await startRedis({ tls: { ...certificate, ca: authority.file } });
    t.after(() => secure.stop());
    const tls = `state = "rediss://localhost:${secure.tlsPort}/3"\nstate_ca_file = `;
    const [one, other, third] = [
      await site.start('one', `${tls}"${authority.file}"`),
      await site.start('other', `${tls}"${authority.file}"`),
      await site.start('third', `${tls}"${stranger.file}"`),
    ];
    assert.match(await send(one.socketPath, { message: numbered(1) }), SEALED);
    assert.match(await send(other.socketPath, { message: numbered(1) }), BEFORE);
    assert.match(await send(third.socketPath, { message: numbered(1) }), SEALED);
    assert.match(third.log.find((line) => line.includes(APART)) ?? '', /certificate/);
    assert.match(await secure.cli('INFO', 'keyspace'), /^db3:keys=\d+/m);
    assert.equal(await redis.cli('--no-auth-warning', '-a', PASSWORD, 'DBSIZE'), '0');
  });

  test('a server does not start with a secret that is missing, short, or for others to read', async (t) => {
    const { site, state } = await open(t);
    const secret = join(site.directory, 'secret');
    await chmod(secret, 0o604);
    await assert.rejects(site.start('one', state), /store\.state: .*secret can be read or written by others/);
    await chmod(secret, 0o600);
    await writeFile(secret, 'short\n');
    await assert.rejects(site.start('one', state), /store\.state: .*fewer than 32 characters/);
  });

  test('copies for a next hop are known to the other host as well, also while it takes its time', async (t) => {
    let release: (text: string) => void = () => {};
    let isHeld = false;
    let held = 0;
    const hop = await startNextHop({
      script: (step) => {
        if (step !== 'end' || !isHeld) return undefined;
        held++;
        return new Promise((resolve) => {
          release = resolve;
        });
      },
    });
    t.after(() => hop.stop());
    const { site, state } = await open(t);
    const store = `${state}\nforward = "${hop.address}"`;
    const [one, other] = [await site.start('one', store), await site.start('other', store)];
    assert.match(await send(one.socketPath), SEALED);
    assert.match(await send(other.socketPath), BEFORE);
    isHeld = true;
    const first = send(one.socketPath, { message: numbered(1) });
    await until('the next hop has it', () => held === 1);
    const second = send(other.socketPath, { message: numbered(1) });
    await new Promise((resolve) => setTimeout(resolve, 600)); // the other host asks, and asks again
    assert.equal(held, 1);
    release('250 2.0.0 taken');
    assert.match(await first, SEALED);
    assert.match(await second, BEFORE);
    assert.equal(hop.taken.length, 2);
  });
});
