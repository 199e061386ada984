// Derivations: few at a time, few that wait, and the answers that RFC 7914 has.

import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { TooBusyError } from '../../src/core/semaphore.ts';
import { COST, Derivations, isFitCost, LEAST_N, usualLimits } from '../../src/custody/kdf.ts';
import { testLong } from '../support/long.ts';

const SALT = Buffer.from('SodiumChloride');
const CHEAP = { name: 'scrypt', N: LEAST_N, r: 8, p: 1, salt: SALT } as const;

test('a derivation is scrypt as RFC 7914 §12 has it', async () => {
  const made = await new Derivations().derive(Buffer.from('pleaseletmein'), CHEAP);
  // the first half of the vector, which has 64 bytes
  assert.equal(made.toString('hex'), '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2');
});

test('what new slots get is 128 MiB, and fit to be read', () => {
  assert.equal(128 * COST.N * COST.r, 128 * 1024 * 1024);
  assert.ok(isFitCost(COST));
});

test('there is a derivation for each core at most, and a thread left for files', () => {
  const { atOnce } = usualLimits();
  assert.ok(atOnce >= 1 && atOnce <= Math.min(3, availableParallelism()));
});

test('a flood of guesses is refused when enough of them wait, and those that wait are answered', async () => {
  const derivations = new Derivations({ atOnce: 1, waiting: 3, patienceMs: 60_000 });
  const all = await Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => derivations.derive(Buffer.from(`guess ${n}`), CHEAP)),
  );
  const refused = all.filter((each) => each.status === 'rejected');
  assert.equal(all.length - refused.length, 4);
  for (const { reason } of refused) assert.ok(reason instanceof TooBusyError);
  assert.equal((await derivations.derive(Buffer.from('later'), CHEAP)).length, 32);
});

test('one that has waited for too long is not begun', async () => {
  const derivations = new Derivations({ atOnce: 1, waiting: 3, patienceMs: 1 });
  const all = await Promise.allSettled([1, 2].map((n) => derivations.derive(Buffer.from(`${n}`), CHEAP)));
  assert.deepEqual(
    all.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
});

testLong('fifty guesses a second take the memory of those at work and no more', async () => {
  const limits = usualLimits();
  const derivations = new Derivations({ ...limits, waiting: 4 });
  const real = { name: 'scrypt', ...COST, salt: SALT } as const;
  const before = process.memoryUsage().rss;
  let highest = 0;
  let [done, refused] = [0, 0];
  const pending: Promise<void>[] = [];
  const until = performance.now() + 5000;
  while (performance.now() < until) {
    const guess = derivations.derive(Buffer.from(`guess ${pending.length}`), real);
    pending.push(
      guess.then(
        () => void done++,
        () => void refused++,
      ),
    );
    await pause(20);
    highest = Math.max(highest, process.memoryUsage().rss);
  }
  await Promise.all(pending);
  assert.ok(done > limits.atOnce && refused > pending.length / 2, `${done} done, ${refused} refused`);
  const mostBytes = (limits.atOnce + 1) * 128 * 1024 * 1024 + 64 * 1024 * 1024;
  assert.ok(highest - before < mostBytes, `${highest - before} bytes more for ${pending.length} guesses`);
});
