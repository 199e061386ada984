/**
 * A server of several processes (node:cluster): the primary listens, deals out the connections to the
 * workers, sweeps, and serves the sum of the metrics; workers deliver.
 */
import type { Settings } from '../config/settings.ts';
import type { InheritedSocket } from '../core/listener.ts';
import type { OnUsed } from '../core/usedkeys.ts';
import type { Log } from '../edge/log.ts';
import type { Row } from '../tlsreport/counts.ts';
import { openCertificates } from './certificates.ts';
import { Dealer } from './dealer.ts';
import { openDoors } from './doors.ts';
import type { Running } from './serve.ts';
import { type Shared, startShared } from './shared.ts';
import { Workforce } from './workforce.ts';

export interface PrimaryParts {
  readonly settings: Settings;
  readonly log: Log;
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly InheritedSocket[];
  readonly processes: number;
  /** See DeliveryOptions. */
  readonly onUsed: OnUsed;
}

/**
 * Runs the primary process. Returns undefined if `stopped` resolves before the server has started. Throws
 * StartError when it cannot start.
 */
export async function servePrimary(
  { settings, log, inherited, processes, onUsed }: PrimaryParts,
  stopped: Promise<unknown>,
): Promise<Running | undefined> {
  const dealer = new Dealer();
  let received: Shared['received'];
  const listeners = { onUsed, onReceived: (rows: readonly Row[]) => received?.add(rows) };
  const workforce = new Workforce({ settings, log, processes, dealer, listeners });
  const certificates = await openCertificates(settings, { log, expires: workforce.noteExpiries });
  certificates.onChange((tls) => workforce.secure(tls));
  const shared = await startShared({ settings, log, metrics: workforce, inherited }).catch(
    (error: unknown) => {
      certificates.stop();
      throw error;
    },
  );
  received = shared.received;
  const fault = (error: Error) => log.fault('lmtp socket', error);
  const opening = openDoors(settings, { inherited, isPaused: true, connect: dealer.deal, fault });
  const doors = await opening.catch(async (error: unknown) => {
    certificates.stop();
    await shared.stop();
    throw error;
  });
  const stop = async (graceMs?: number) => {
    shared.leave();
    await doors.close();
    certificates.stop();
    await dealer.close();
    await workforce.stop(graceMs);
    await shared.stop();
  };
  const starting = Promise.race([workforce.start(shared.state).then(() => true), stopped.then(() => false)]);
  if (!(await starting)) {
    await stop();
    return undefined;
  }
  return {
    lmtp: doors.lmtp,
    metrics: shared.metrics,
    certificates,
    reload(fresh) {
      workforce.reload(fresh);
      shared.reload(fresh);
    },
    isWell: () => workforce.isWell(),
    noteReload: workforce.noteReload,
    noteKeys: workforce.noteKeys,
    noteFolders: workforce.noteFolders,
    stop,
  };
}
