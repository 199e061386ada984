import { test } from 'node:test';
import { soak } from './soak.ts';

test('a few seconds of mixed load with faults add up', { timeout: 60_000 }, async (t) => {
  t.diagnostic(await soak(5, Math.trunc(Math.random() * 0x7fffffff)));
});
