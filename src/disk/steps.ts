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

/** Yields calls one after the other; `T` is what the work comes to. */
export type Steps<T> = Generator<() => unknown, T, unknown>;

/** Yields one call and returns its result. */
export function* made<T>(call: () => T | Promise<T>): Steps<T> {
  return (yield call) as T;
}

/** Makes the calls at once. They must be synchronous. */
export function runSync<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) {
    let result: unknown;
    try {
      result = step.value();
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/** Makes one call after the other, and waits for each. */
export async function runAsync<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    let result: unknown;
    try {
      result = await step.value();
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
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
