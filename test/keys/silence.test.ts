// A key directory that hangs: keys that were read before are used, and only two calls wait for it.

import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';
import { realWorld } from '../../src/edge/world.ts';
import { SILENT_AFTER_MS } from '../../src/keys/calls.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { freshKey } from '../support/freshkey.ts';
import { testLong } from '../support/long.ts';
import { until } from '../support/until.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const alice = await freshKey('alice@example.com');

/** A directory on a file system that can be stopped and goes on where it stopped. */
async function openDirectory(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-silence-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  stayAlive(t);
  await writeFile(join(directory, 'alice@example.com.asc'), alice.certificate);
  let stopped: PromiseWithResolvers<void> | undefined;
  let underWay = 0;
  const told: string[] = [];
  let aheadMs = 0;
  const keys = new KeyDirectory(
    directory,
    SAME,
    { now: () => Date.now() + aheadMs },
    {
      async run(_, call) {
        underWay++;
        await stopped?.promise;
        return call().finally(() => underWay--);
      },
      onSilence: (message) => told.push(message),
    },
  );
  const stop = () => {
    stopped = promiseWithResolvers();
  };
  const goOn = () => {
    stopped?.resolve();
    stopped = undefined;
  };
  const later = (ms: number) => {
    aheadMs += ms;
  };
  return { keys, stop, goOn, later, told, underWay: () => underWay };
}

/** As a server's sockets do: the clocks of look-ups keep no process alive. */
function stayAlive(t: TestContext): void {
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

function promiseWithResolvers(): PromiseWithResolvers<void> {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}

test('F29: while the key directory hangs, keys that were read before are used (250 2.1.5), and two calls wait', async (t) => {
  const { keys, stop, goOn, told, underWay } = await openDirectory(t);
  const before = await keys.lookup('alice@example.com');
  assert.equal(before?.certificates.length, 1);
  stop();
  const started = Date.now();
  const entries = await Promise.all(Array.from({ length: 50 }, () => keys.lookup('alice@example.com')));
  assert.ok(Date.now() - started < SILENT_AFTER_MS + 3000);
  for (const entry of entries) assert.equal(entry?.certificates.length, 1);
  assert.ok(underWay() <= 2, `${underWay()} calls`);
  await pause(20); // a timer may be a millisecond early
  // from now on nobody waits for it
  for (let n = 0; n < 20; n++) {
    const entry = await within(keys.lookup('alice@example.com'), 500);
    assert.ok(entry !== 'late' && entry?.certificates.length === 1);
  }
  await assert.rejects(keys.lookup('bob@example.com'), /does not answer/);
  assert.ok(underWay() <= 2, `${underWay()} calls`);
  assert.match(told.join(), /does not answer: keys that were read before are used/);
  goOn();
  await until(
    'it is asked again',
    async () => (await keys.lookup('bob@example.com').catch(() => 'hangs')) === undefined,
  );
  assert.equal(underWay(), 0);
});

testLong(
  'F29: keys that were read long ago are not used while the key directory hangs (451 4.3.0)',
  async (t) => {
    const { keys, stop, goOn, later } = await openDirectory(t);
    await keys.lookup('alice@example.com');
    stop();
    await keys.lookup('alice@example.com');
    await pause(20); // a timer may be a millisecond early, and then the directory is not silent yet
    later(10 * 60_000);
    await assert.rejects(keys.lookup('alice@example.com'), /does not answer/);
    goOn();
  },
);

testLong('F29: a directory that answers late but answers is waited for', async (t) => {
  const { keys, stop, goOn } = await openDirectory(t);
  stop();
  const entry = keys.lookup('alice@example.com');
  assert.equal(await within(entry, SILENT_AFTER_MS + 500), 'late');
  goOn();
  assert.equal((await entry)?.certificates.length, 1);
});

testLong('an address that was removed is not brought back when the directory hangs', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-silence-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  stayAlive(t);
  for (const name of ['alice', 'bob'])
    await writeFile(join(directory, `${name}@example.com.asc`), alice.certificate);
  let hangs = false;
  const keys = new KeyDirectory(directory, SAME, realWorld('mx.example.com'), {
    run: (_, call) => (hangs ? new Promise(() => {}) : call()),
  });
  await keys.lookup('alice@example.com');
  await rm(join(directory, 'alice@example.com.asc'));
  await until('it is gone', async () => (await keys.lookup('alice@example.com')) === undefined);
  hangs = true;
  assert.equal(await within(keys.lookup('alice@example.com'), SILENT_AFTER_MS + 500), 'late');
});

testLong('F29: a key that is a link into a directory that hangs is waited for alone', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-silence-'));
  const elsewhere = await mkdtemp(join(tmpdir(), 'sealdir-silence-'));
  for (const each of [directory, elsewhere]) t.after(() => rm(each, { recursive: true, force: true }));
  stayAlive(t);
  for (const name of ['alice', 'bob', 'dave'])
    await writeFile(join(directory, `${name}@example.com.asc`), alice.certificate);
  await writeFile(join(elsewhere, 'carol.asc'), alice.certificate);
  await symlink(join(elsewhere, 'carol.asc'), join(directory, 'here.link'));
  await symlink('here.link', join(directory, 'carol@example.com.asc'));
  await symlink(join(elsewhere, 'erin.asc'), join(directory, 'erin@example.com.asc'));
  let hangs = false;
  let underWay = 0;
  const keys = new KeyDirectory(directory, SAME, realWorld('mx.example.com'), {
    run(where, call) {
      if (!hangs || where !== elsewhere) return call();
      underWay++;
      return new Promise(() => {});
    },
  });
  assert.equal((await keys.lookup('carol@example.com'))?.certificates.length, 1);
  hangs = true;
  const carols = Array.from({ length: 5 }, () => keys.lookup('carol@example.com'));
  const erins = Array.from({ length: 5 }, () => keys.lookup('erin@example.com').catch(() => 'silent'));
  const known = await Promise.all(carols);
  await pause(20);
  for (const entry of known) assert.equal(entry?.certificates.length, 1, 'as it was known');
  assert.ok(underWay <= 2, `${underWay} calls`);
  for (const name of ['alice', 'bob', 'dave']) {
    const entry = await within(keys.lookup(`${name}@example.com`), 500);
    assert.ok(entry !== 'late' && entry?.certificates.length === 1, name);
  }
  assert.equal(await within(keys.lookup('nobody@example.com'), 500), undefined);
  await assert.rejects(keys.lookup('erin@example.com'), /does not answer/);
  assert.equal(
    await within(Promise.race(erins), 500),
    'late',
    'those that wait already find out when it answers',
  );
});

test('a link that leads in a circle could not be looked at', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-silence-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  await symlink('alice@example.com.asc', join(directory, 'alice@example.com.asc'));
  const keys = new KeyDirectory(directory, SAME, realWorld('mx.example.com'));
  await assert.rejects(keys.lookup('alice@example.com'), { code: 'ELOOP' });
});
