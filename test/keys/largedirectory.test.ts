// A key directory of many thousand files that changes while RCPTs for unknown users come in: it is read once
// for all of them, at most once a second, and the event loop goes on meanwhile.

import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { realWorld } from '../../src/edge/world.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { freshKey } from '../support/freshkey.ts';
import { isLongForm } from '../support/fuzz.ts';
import { until } from '../support/until.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const FILES = isLongForm() ? 100_000 : 10_000;
const ROUNDS = 20;
const AT_ONCE = 50;

/** Longest time in which the event loop did not come round, of this process. */
function watchLoop(): () => number {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

test(`${FILES} key files, one of them replaced now and then, and ${AT_ONCE} look-ups for unknown users at once`, {
  timeout: 1_800_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-many-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (let n = 0; n < FILES; n += 1000)
    await Promise.all(
      Array.from({ length: 1000 }, (_, m) => writeFile(join(directory, `user${n + m}@example.com.asc`), 'x')),
    );
  await writeFile(
    join(directory, 'Alice@Example.com.asc'),
    (await freshKey('alice@example.com')).certificate,
  );
  let readings = 0;
  const keys = new KeyDirectory(directory, SAME, realWorld('mx.example.com'), {
    run(_, call) {
      if (call.toString().includes('opendir(')) readings++;
      return call();
    },
  });
  const began = performance.now();
  assert.equal((await keys.lookup('alice@example.com'))?.certificates.length, 1);
  const first = performance.now() - began;
  await pause(200); // so that the index is settled
  const stopWatch = watchLoop();
  let slowest = 0;
  const start = performance.now();
  readings = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await writeFile(join(directory, '.new'), `x${round}`);
    await rename(join(directory, '.new'), join(directory, `user${round}@example.com.asc`));
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, n) => {
        const asked = performance.now();
        assert.equal(await keys.lookup(`nobody${round}-${n}@example.com`), undefined);
        slowest = Math.max(slowest, performance.now() - asked);
      }),
    );
    await pause(100); // the time between two changes
  }
  const took = performance.now() - start;
  const blocked = stopWatch();
  t.diagnostic(
    `first look-up ${Math.round(first)} ms; ${ROUNDS} changes in ${Math.round(took)} ms: ${readings} readings, ` +
      `slowest look-up ${Math.round(slowest)} ms, longest block of the event loop ${Math.round(blocked)} ms`,
  );
  assert.ok(readings <= Math.ceil(took / 1000) + 1, `${readings} readings in ${took} ms`);
  assert.ok(slowest < 5000, `a look-up took ${slowest} ms`);

  // a new name in the usual spelling counts at once, another one within a second
  const { certificate } = await freshKey('carol@example.com');
  await writeFile(join(directory, 'carol@example.com.asc'), certificate);
  assert.equal((await keys.lookup('carol@example.com'))?.certificates.length, 1);
  await writeFile(join(directory, 'Dave@Example.com.asc'), certificate);
  await until(
    'the other spelling is found',
    async () => (await keys.lookup('dave@example.com')) !== undefined,
  );
});
