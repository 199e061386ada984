/** What hosts remember together in Redis: whether it answers, and whether they know their store by a mark. */
import { constants } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { isInClear } from '../core/redisaddress.ts';
import { tryCommands } from '../duplicates/lastinglink.ts';
import { openRedis } from '../duplicates/redis.ts';
import { readSharedSecret } from '../duplicates/secretfile.ts';
import { MARK } from '../maildir/storemark.ts';
import { pathsOf, type SharedState, sharedStateOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look, troubleWithDirectory, troubleWithUse } from './look.ts';

/** How long Redis may take to be connected. */
const WAIT_MS = 5000;

export async function checkSharedState(settings: Settings): Promise<Finding[]> {
  const shared = sharedStateOf(settings);
  if (shared === undefined) return [];
  return [
    ...checkSecret(shared),
    ...(await checkRedis(shared)),
    ...checkWay(shared),
    ...(settings.store.forward === undefined ? checkMarks(settings) : []),
  ];
}

function checkSecret({ secretFile }: SharedState): Finding[] {
  try {
    readSharedSecret(secretFile);
    return [];
  } catch (fault) {
    const fix = 'the same line of 32 characters or more on all hosts, for the server alone (mode 0600)';
    return [error('shared-state-secret', `store.state_secret: ${(fault as Error).message}`, fix)];
  }
}

/** Connects as a server does, tries what a delivery needs, and leaves. */
async function checkRedis(shared: SharedState): Promise<Finding[]> {
  try {
    const link = await openRedis(shared, WAIT_MS);
    await tryCommands(link).finally(() => link.close());
    return [];
  } catch (fault) {
    const what = `store.state: ${shared.address.text}: ${(fault as Error).message}`;
    return [warning('shared-state-unreachable', what, 'start it, or mend the settings store.state*')];
  }
}

function checkWay({ address }: SharedState): Finding[] {
  if (!isInClear(address)) return [];
  const what = `store.state: ${address.text} is beyond the loopback, and without TLS`;
  return [warning('shared-state-in-clear', what, 'let Redis speak TLS, and write "rediss://"')];
}

/** The server makes the mark itself where it may. */
function checkMarks(settings: Settings): Finding[] {
  const roots = [pathsOf(settings).storeRoot, ...settings.recipients.roots];
  return roots.flatMap((root) => {
    const path = join(root, MARK);
    // checkStore says so
    if ((troubleWithDirectory(root) ?? troubleWithUse(root, constants.X_OK)) !== undefined) return [];
    const seen = look(path);
    const isMissing = 'why' in seen && seen.isMissing;
    const closed = isMissing
      ? troubleWithUse(root, constants.W_OK | constants.X_OK)
      : troubleWithUse(path, constants.R_OK);
    if (closed === undefined) return [];
    const command = isMissing
      ? `od -An -N16 -tx1 /dev/urandom | tr -d ' ' > ${quoted(path)}`
      : `chmod a+r ${quoted(path)}`;
    const what = `store.state: ${path} ${isMissing ? `cannot be made: ${root} ${closed.why}` : closed.why}`;
    return [warning('shared-state-mark', what, { command })];
  });
}
