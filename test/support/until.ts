// Waiting for a fact with a deadline, never for a length of time.

import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 10;

/** Resolves as soon as `holds` is true; rejects with `what` in the message once `deadlineMs` have passed. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not so after ${deadlineMs} ms: ${what}`);
    await pause(POLL_MS);
  }
}
