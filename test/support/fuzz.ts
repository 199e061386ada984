// Property tests that run for a given time: each target for 0.5 s, for 8 in the long form (long.ts), and
// for SEALDIR_FUZZ_SECONDS in `npm run test:fuzz`. The seed is printed, and SEALDIR_FUZZ_SEED repeats a run.
// A value that once failed is kept as a fixed example and is tried first.

import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { within } from '../../src/core/deadline.ts';
import { isLong } from './long.ts';

/** Whatever takes this long is taken to hang. */
const HANG_MS = 20_000;

export interface Target<T> {
  readonly arbitrary: fc.Arbitrary<T>;
  readonly finds?: readonly T[];
  /** Throws if something is wrong. */
  check(value: T): void | Promise<void>;
}

export async function fuzz<T>(t: TestContext, { arbitrary, finds = [], check }: Target<T>): Promise<void> {
  const seed = Number(process.env.SEALDIR_FUZZ_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
  const seconds = secondsEach();
  let cases = 0;
  let running = Promise.resolve();
  const attempt = async (value: T) => {
    const start = Date.now();
    const outcome = await within(Promise.resolve(check(value)), HANG_MS);
    // A timer does not notice code that blocks the event loop; the clock does.
    if (outcome === 'late' || Date.now() - start > HANG_MS) throw new Error('it hangs');
  };
  const property = fc.asyncProperty(arbitrary, (value) => {
    cases++;
    running = attempt(value);
    return running;
  });
  // before the clock runs: the first value takes longest, and no value at all is a failure
  const begun = Date.now();
  for (const value of [...finds, ...fc.sample(arbitrary, { seed, numRuns: 3 })]) await attempt(value);
  const limitMs = Math.max(seconds * 1000, Date.now() - begun); // on a machine that is busy
  const plugins = [fc.interruptAfterTimeLimit(limitMs)];
  await fc.assert(property, { seed, numRuns: Number.MAX_SAFE_INTEGER, plugins });
  await running; // the attempt that the time limit interrupted
  t.diagnostic(`${finds.length} finds and ${cases} cases in ${seconds} s, SEALDIR_FUZZ_SEED=${seed}`);
}

/** Tells whether there is time to try everything; the short form tries what is likely. */
export function isLongForm(): boolean {
  return secondsEach() > 10;
}

function secondsEach(): number {
  const { SEALDIR_FUZZ_SECONDS } = process.env;
  if (SEALDIR_FUZZ_SECONDS !== undefined) return Number(SEALDIR_FUZZ_SECONDS);
  return isLong ? 8 : 0.5;
}
