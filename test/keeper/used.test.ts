// What deliveries have read of the key directory: it is logged and told of, also if the file never had these
// keys whenever the keeper looked.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { readFile, symlink, unlink, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { NumberedKeys } from '../../src/keeper/usedqueue.ts';
import { UsedQueue } from '../../src/keeper/usedqueue.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { identityOf } from '../../src/keys/identity.ts';
import { Keeping } from '../support/keeping.ts';
import { testLong } from '../support/long.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const FILE = `${ALICE}.asc`;
const [OLD, NEW, BOBS] = [await makeKey(ALICE), await makeKey(ALICE), await makeKey(BOB)];
const MINUTE_MS = 60_000;

async function keeping(t: TestContext, keys: Record<string, string | Uint8Array>): Promise<Keeping> {
  const site = await Keeping.make({ [BOB]: BOBS.certificate, ...keys });
  t.after(() => site.remove());
  return site;
}

const fingerprintOf = async ({ certificate }: TestKey) =>
  (await parseCertificates(Buffer.from(certificate)))[0]?.fingerprint ?? '';

test('a key that only a delivery has seen is logged, and so is the way back; its owner reads of it', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.round();
  site.pass(MINUTE_MS);
  await site.round();
  await site.use(FILE, NEW.certificate);
  const [old, fresh] = [await fingerprintOf(OLD), await fingerprintOf(NEW)];
  const changes = (await site.entries()).slice(2);
  assert.deepEqual(
    changes.map(({ event, before, after, by }) => [event, before.fingerprints, after.fingerprints, by.how]),
    [
      ['changed', [old], [fresh], 'directory'],
      ['changed', [fresh], [old], 'directory'],
    ],
  );
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = await site.mail(ALICE);
  assert.match((await readSealed(first, OLD)).toString(), /has changed/);
  await assert.rejects(readSealed(first, NEW));
  await assert.rejects(readSealed(second, OLD), 'of the way back the other one is told');
  assert.deepEqual(site.taken, [1]);
});

test('what is known is no news: the key of now, one that is no key, and a name that is no address', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.round();
  await site.use(FILE, OLD.certificate);
  await site.use(FILE, 'no key\n');
  await site.use('notes.txt', NEW.certificate);
  await site.use('../x', NEW.certificate);
  assert.equal((await site.entries()).length, 2);
  assert.deepEqual(site.taken, [1, 2, 3, 4]);
});

test('a key that was read before its exchange was logged is no news; one that was read later is', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.round();
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.equal((await site.entries()).length, 3);
  await site.use(FILE, OLD.certificate, MINUTE_MS);
  assert.equal((await site.entries()).length, 3);
  site.pass(1000);
  await site.use(FILE, OLD.certificate);
  assert.deepEqual((await site.events()).slice(3), [`changed ${ALICE} 1`, `changed ${ALICE} 1`]);
});

test('of several files of an address only the one of that name is another', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  const third = await makeKey(ALICE);
  await site.put(`${ALICE}.pgp`, third.certificate);
  await site.round();
  await site.use(FILE, NEW.certificate);
  const [change] = (await site.entries()).slice(2);
  const wanted = [await fingerprintOf(NEW), await fingerprintOf(third)].sort();
  assert.deepEqual(change?.after.fingerprints, wanted);
});

test('what is told before the first look comes after it in the log', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.use(FILE, NEW.certificate);
  assert.deepEqual(
    (await site.entries()).map(({ event }) => event),
    ['first-look', 'first-look', 'changed', 'changed'],
  );
});

test('a key of somebody whose file is gone again came and went', async (t) => {
  const site = await keeping(t, {});
  await site.round();
  await site.use(FILE, NEW.certificate);
  assert.deepEqual((await site.events()).slice(1), [`came ${ALICE} 1`, `went ${ALICE} 0`]);
});

test('a file that a delivery has read is read again, also if it seems to be as it was', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  site.pass(MINUTE_MS); // its time stamp is no longer a fresh one
  await site.round();
  // what is remembered says that the file of now is the one that was read
  const seen = (await readFile(site.state('seen'), 'utf8')).trim().split('\n');
  const before = seen.map((line) => JSON.parse(line)).find(({ name }) => name === FILE);
  assert.notEqual(before.identity, '');
  await writeFile(site.keyFile(FILE), NEW.certificate);
  site.close();
  const identity = identityOf(statSync(site.keyFile(FILE), { bigint: true }));
  const lines = seen.map((line) => line.replace(before.identity, identity));
  await writeFile(site.state('seen'), `${lines.join('\n')}\n`);
  site.open();
  await site.round();
  assert.equal((await site.entries()).length, 2, 'the look believes what it remembers');
  await site.use(FILE, NEW.certificate);
  assert.deepEqual((await site.events()).slice(2), [`changed ${ALICE} 1`], 'it is still there');
});

testLong('thousands of links to nothing do not keep a link from being looked at again soon', async (t) => {
  const site = await keeping(t, {});
  const target = site.state('../elsewhere.asc');
  await writeFile(target, OLD.certificate);
  await symlink(target, site.keyFile(FILE));
  for (let n = 0; n < 3000; n++) await symlink('/nowhere/x', site.keyFile(`u${n}@example.com.asc`));
  const running = site.run();
  try {
    await until('it was looked at', async () => (await site.events().catch(() => [])).length === 2);
    await unlink(target);
    await writeFile(target, NEW.certificate);
    const began = performance.now();
    await until('it is noticed', async () => (await site.events()).length === 3, 60_000);
    assert.ok(performance.now() - began < 15_000, 'three polls at most');
  } finally {
    site.stop();
    await running;
  }
});

const keysOf = (file: string, size: number, fill: number) => ({
  file,
  bytes: Buffer.alloc(size, fill),
  at: 0,
});

/** A keeper that takes what it is told, and does not say so. */
function listener() {
  const heard: number[] = [];
  let misses = 0;
  return {
    heard,
    get misses() {
      return misses;
    },
    used: ({ n }: NumberedKeys) => void heard.push(n),
    missed: () => {
      misses++;
    },
  };
}

test('what was told is told to the next keeper, until one has it in the log', () => {
  const queue = new UsedQueue(() => assert.fail('there was room'));
  queue.add(keysOf('a', 10, 1));
  const [one, two, three] = [listener(), listener(), listener()];
  queue.listen(one);
  queue.add(keysOf('a', 10, 1)); // again, or by another process
  queue.add(keysOf('a', 10, 2));
  queue.add(keysOf('a', 10, 1));
  assert.deepEqual(one.heard, [1, 2, 3], 'all that it was meanwhile');
  queue.taken(1);
  queue.unlisten(one);
  queue.add(keysOf('b', 10, 1));
  queue.listen(two);
  assert.deepEqual(two.heard, [2, 3, 4]);
  assert.equal(queue.waiting, 3);
  queue.taken(4);
  queue.listen(three);
  assert.deepEqual(three.heard, []);
  queue.add(keysOf('a', 10, 1));
  assert.deepEqual(three.heard, [5], 'after it was taken the same is told again');
});

for (const [what, size, fits] of [
  ['many', 1, 5000],
  ['large ones', 256 * 1024, 64],
] as const)
  test(`too ${what} are left out, which is told once; the keeper reads all files after what it had to take`, () => {
    let overflows = 0;
    const queue = new UsedQueue(() => {
      overflows++;
    });
    const keeper = listener();
    queue.listen(keeper);
    for (let n = 0; n < fits + 10; n++) queue.add(keysOf(`${n}`, size, 1));
    assert.equal(keeper.heard.length, fits);
    assert.equal(overflows, 1);
    queue.taken(fits - 1);
    assert.equal(keeper.misses, 0);
    queue.taken(fits);
    assert.equal(keeper.misses, 1);
    queue.add(keysOf('x', size, 1));
    assert.equal(keeper.heard.length, fits + 1, 'there is room again');
  });
