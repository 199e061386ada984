// Waits for a fact, with a deadline, and never for a length of time.

import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';

/** Between two looks: a short time at first, longer later, since what is asked costs a busy machine time. */
const [FIRST_MS, LONGER, MOST_MS] = [10, 1.2, 50];
const GRACE_MS = 5000;

/** Resolves once `holds` returns true. Rejects with `what` in the message if `deadlineMs` pass before. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  for (let waitMs = FIRST_MS; ; waitMs = Math.min(waitMs * LONGER, MOST_MS)) {
    // what is asked may hang too
    const isSo = await within(Promise.resolve(holds()), Math.max(deadline - Date.now(), 0) + GRACE_MS);
    if (isSo === true) return;
    if (Date.now() > deadline) throw new Error(`not so after ${deadlineMs} ms: ${what}`);
    await pause(waitMs);
  }
}
