/**
 * Looks at configuration, keys, permissions and the mail server, and says what an operator should mend.
 * Changes nothing. One file for each subject; this one only calls them.
 */
import type { Settings } from '../config/settings.ts';
import type { Finding } from './finding.ts';
import { checkKeyDirectory } from './keydirectory.ts';
import { checkKeys } from './keys.ts';
import { checkLimits } from './limits.ts';
import { checkPostfix } from './postfix.ts';
import { checkProcess } from './process.ts';
import { checkSockets } from './sockets.ts';
import { checkStore } from './store.ts';

/** Every finding, in the order in which an operator would look for them. */
export async function checkAll(settings: Settings, now: Date): Promise<Finding[]> {
  return [
    ...checkKeyDirectory(settings),
    ...(await checkKeys(settings, now)),
    ...checkStore(settings),
    ...checkSockets(settings),
    ...checkProcess(),
    ...checkLimits(settings),
    ...(await checkPostfix(settings)),
  ];
}
