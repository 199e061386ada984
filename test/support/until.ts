// Waits for a fact, with a deadline, and never for a length of time.

import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 10;

/** Resolves once `holds` returns true. Rejects with `what` in the message if `deadlineMs` pass before. */
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
