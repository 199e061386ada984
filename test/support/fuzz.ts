// Property tests for as long as there is time: 2 seconds a target, 8 where CI=true, what SEALDIR_FUZZ_SECONDS says in
// `npm run test:fuzz`. The seed is printed; SEALDIR_FUZZ_SEED runs one again. What was found once is a fixed example and
// always runs first.

import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { within } from '../../src/core/deadline.ts';

/** Nothing that is tried may take this long: it hangs. */
const HANG_MS = 20_000;

export interface Target<T> {
  readonly arbitrary: fc.Arbitrary<T>;
  readonly finds?: readonly T[];
  /** Throws where something is wrong. */
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
    // what never lets go of the event loop is not seen by a timer
    if (outcome === 'late' || Date.now() - start > HANG_MS) throw new Error('it hangs');
  };
  const property = fc.asyncProperty(arbitrary, (value) => {
    cases++;
    running = attempt(value);
    return running;
  });
  for (const find of finds) await attempt(find);
  const plugins = [fc.interruptAfterTimeLimit(seconds * 1000)];
  await fc.assert(property, { seed, numRuns: Number.MAX_SAFE_INTEGER, plugins });
  await running; // the one that was interrupted
  t.diagnostic(`${finds.length} finds and ${cases} cases in ${seconds} s, SEALDIR_FUZZ_SEED=${seed}`);
}

/** Whether there is time to try all there is where the short form tries what is likely. */
export function isLongForm(): boolean {
  return secondsEach() > 10;
}

function secondsEach(): number {
  const { SEALDIR_FUZZ_SECONDS, CI } = process.env;
  if (SEALDIR_FUZZ_SECONDS !== undefined) return Number(SEALDIR_FUZZ_SECONDS);
  return CI === 'true' ? 8 : 2;
}
