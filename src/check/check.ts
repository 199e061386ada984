/**
 * Looks at configuration, keys, permissions and the mail server, and says what an operator should mend.
 * Leaves nothing behind. One file for each subject; this one only calls them.
 */
import type { Settings } from '../config/settings.ts';
import { realWorld } from '../edge/world.ts';
import { type CanaryCounts, sealCanaries } from './canary.ts';
import { checkConfigFile } from './configfile.ts';
import { checkDovecot } from './dovecot.ts';
import { checkExim } from './exim.ts';
import type { Finding } from './finding.ts';
import { checkFolders } from './folders.ts';
import { checkForward, isForwarding } from './forward.ts';
import { checkGateway } from './gateway.ts';
import { checkKeyDirectory, checkKeyReplacement } from './keydirectory.ts';
import { checkKeys } from './keys.ts';
import { checkKeyState } from './keystate.ts';
import { checkLimits } from './limits.ts';
import { checkOwners } from './owners.ts';
import { checkPostfix } from './postfix.ts';
import { checkProcess } from './process.ts';
import { checkSealFolders } from './sealfolders.ts';
import { checkSharedState } from './sharedstate.ts';
import { checkSiteKeys } from './sitekeys.ts';
import { checkSockets } from './sockets.ts';
import { checkSource } from './source.ts';
import { checkStart } from './start.ts';
import { checkState } from './state.ts';
import { checkStore } from './store.ts';
import { tryStore } from './storetrial.ts';
import { checkTls } from './tls.ts';
import { checkWkd } from './wkd.ts';

/** What is checked. */
export interface Checked {
  readonly settings: Settings;
  /** The configuration file, or undefined for the demo. */
  readonly file: string | undefined;
  readonly now: Date;
  /** Left out: every key file is looked at, however many there are. */
  readonly mostKeyFiles?: number;
}

export interface Report {
  readonly findings: readonly Finding[];
  readonly counts: CanaryCounts;
}

/** Returns every finding, for an operator before the first mail. Tries what a server does. */
export async function checkAll(checked: Checked): Promise<Report> {
  const { settings, now } = checked;
  const findings = [
    ...(await checkStart(settings)),
    ...(await checkRunning(checked)),
    ...(isForwarding(settings) ? [] : await tryStore(settings)),
  ];
  const canary = await sealCanaries(settings, now);
  return { findings: [...findings, ...canary.findings], counts: canary.counts };
}

/** Returns what a server that has started may find: all but what would have kept it from starting. */
export async function checkRunning({
  settings,
  file,
  now,
  mostKeyFiles = Number.POSITIVE_INFINITY,
}: Checked): Promise<Finding[]> {
  return [
    ...checkConfigFile(settings, file),
    ...checkKeyDirectory(settings),
    ...checkKeyReplacement(settings, mostKeyFiles),
    ...(await checkKeys(settings, now, mostKeyFiles)),
    ...checkWkd(settings),
    ...(await checkSiteKeys(settings, now)),
    ...(await checkSource(settings, realWorld(settings.hostname))),
    ...checkOwners(settings),
    ...checkFolders(settings),
    ...(await checkSealFolders(settings)),
    ...(isForwarding(settings) ? [] : checkStore(settings)),
    ...(await checkForward(settings)),
    ...(await checkState(settings)),
    ...(await checkSharedState(settings)),
    ...checkKeyState(settings),
    ...checkGateway(settings),
    ...(await checkDovecot(settings)),
    ...checkSockets(settings),
    ...(await checkTls(settings, now)),
    ...checkProcess(settings, file),
    ...checkLimits(settings),
    ...(await checkPostfix(settings)),
    ...(await checkExim(settings)),
  ];
}
