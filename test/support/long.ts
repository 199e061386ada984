// The two forms of the tests. `npm test` runs the short one: a few cases of each table, fewer runs of a
// property, and at least one real test of everything. `npm run test:long` sets SEALDIR_LONG=1 and runs each
// file that has more to try: those that import this one, fuzz.ts, matrix.ts or dovecot.ts.

import { type TestContext, test } from 'node:test';

/** Tells whether everything is to be tried. What only then runs is not defined in the short form. */
export const isLong = process.env.SEALDIR_LONG === '1';

/** Returns all cases in the long form, else `count` of them: the first, and others spread evenly. */
export function shortOf<T>(cases: readonly T[], count: number): readonly T[] {
  return isLong ? cases : spread(cases, count);
}

/** Returns `count` of the cases, always the same. */
export function spread<T>(cases: readonly T[], count: number): readonly T[] {
  if (count >= cases.length) return cases;
  const wanted = new Set(Array.from({ length: count }, (_, n) => Math.floor((n * cases.length) / count)));
  return cases.filter((_, n) => wanted.has(n));
}

interface Options {
  readonly timeout?: number;
  readonly skip?: string | false;
}

type Work = (t: TestContext) => void | Promise<void>;

/** Defines a test of the long form. */
export function testLong(name: string, ...rest: readonly [Work] | readonly [Options, Work]): void {
  if (!isLong) return;
  if (rest.length === 1) test(name, rest[0]);
  else test(name, ...rest);
}
