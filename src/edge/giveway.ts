/** Lets deliveries, and whatever else there is to do on this machine, go before. */
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * On a machine that is busy all the time a process that is so nice gets a tenth of what another gets. At 19
 * it would be a sixtieth, while it may have a lock for which others wait.
 */
const NICE = 10;

/**
 * Makes all threads of this process nice: Linux has a priority for each. Where it is forbidden, as by the
 * systemd unit, the work is done at the priority that there is.
 */
export function giveWay(): void {
  try {
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), NICE);
  } catch {}
}
