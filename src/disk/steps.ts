/**
 * Work written as a generator that yields its calls instead of making them. The driver makes each
 * call and hands back its result, or throws its error where the call was yielded:
 *
 *     const file = yield* made(() => calls.create(path, mode));    // what the work says
 *     step = steps.next(step.value());                             // what runSync does with it
 *     step = steps.next(await step.value());                       // what runAsync does
 *
 * So one text of the work serves a disk thread, whose calls are synchronous, libuv's calls, which
 * are not, and a test, which fails, hangs or kills at each single call.
 */

/** Yields calls one after the other, or groups of work; `T` is what it comes to. */
export type Steps<T> = Generator<(() => unknown) | readonly Steps<void>[], T, unknown>;

/** Yields one call and returns its result. */
export function* made<T>(call: () => T | Promise<T>): Steps<T> {
  return (yield call) as T;
}

/** Does several pieces of work, at the same time where the driver can. None of them may throw. */
export function* together(works: readonly Steps<void>[]): Steps<void> {
  yield works;
}

/** Makes the calls at once, one after the other. They must be synchronous. */
export function runSync<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) {
    let result: unknown;
    try {
      if (typeof step.value === 'function') result = step.value();
      else for (const work of step.value) runSync(work);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/**
 * Makes one call after the other and waits for each; of a group, `atOnce` pieces of work go at the same time.
 */
export async function runAsync<T>(steps: Steps<T>, atOnce = Number.POSITIVE_INFINITY): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    let result: unknown;
    try {
      result = await (typeof step.value === 'function' ? step.value() : runAll(step.value, atOnce));
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

async function runAll(works: readonly Steps<void>[], atOnce: number): Promise<void> {
  const next = works.values(); // shared: whoever is done takes the next
  const lanes = Array.from({ length: Math.min(works.length, atOnce) }, async () => {
    for (const work of next) await runAsync(work);
  });
  await Promise.all(lanes);
}

/**
 * Writes all pieces. A write may be short; the rest is written again, and if there was a reason the
 * next write fails with it. Each write takes a byte at least, so there is an end.
 */
export function* writeAll(
  write: (pieces: Buffer[]) => number | Promise<number>,
  pieces: readonly Buffer[],
): Steps<void> {
  let rest = pieces.filter(({ length }) => length > 0);
  while (rest.length > 0) {
    const current = rest;
    const written = yield* made(() => write(current));
    if (written === 0) throw new Error('write made no progress');
    rest = without(current, written);
  }
}

/** The pieces without their first `count` bytes. */
function without(pieces: readonly Buffer[], count: number): Buffer[] {
  let left = count;
  const whole = pieces.findIndex(({ length }) => {
    if (length > left) return true;
    left -= length;
    return false;
  });
  if (whole === -1) return [];
  const [first, ...others] = pieces.slice(whole);
  return first === undefined ? [] : [first.subarray(left), ...others];
}
