/** Lets whatever else there is to do on this machine go before. */
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** For work that may take as long as it takes. */
export const LAST = 19;

/**
 * Makes all threads of this process that nice: Linux has a priority for each. Where it is forbidden, as by
 * the systemd unit, the work is done at the priority that there is.
 */
export function giveWay(nice: number): void {
  try {
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), nice);
  } catch {}
}
