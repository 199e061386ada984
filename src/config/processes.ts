/** How many processes deliver mail. */
import { availableParallelism } from 'node:os';
import type { Settings } from './settings.ts';

/** One core is left to the mail server and to the disk threads. */
export function processesOf({ processes }: Pick<Settings, 'processes'>): number {
  return processes || Math.max(1, availableParallelism() - 1);
}
