import { testLong } from '../support/long.ts';
import { soak } from './soak.ts';

testLong('a few seconds of mixed load with faults add up', { timeout: 240_000 }, async (t) => {
  t.diagnostic(await soak(5, Math.trunc(Math.random() * 0x7fffffff)));
});
