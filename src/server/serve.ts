/**
 * A server in one process: what is done for the whole server (shared.ts) and the deliveries
 * (lmtpservice.ts). `Running` is what cli.ts and reload.ts know of a server, of one process or of several.
 */
import type { Settings } from '../config/settings.ts';
import type { InheritedSocket } from '../core/listener.ts';
import type { Log } from '../edge/log.ts';
import { createMetrics } from '../edge/metrics.ts';
import {
  type FolderNumbers,
  type KeyNumbers,
  type ReloadResult,
  watchBuild,
  watchCertificates,
  watchFolders,
  watchKeys,
  watchReloads,
} from '../edge/servermetrics.ts';
import { type Certificates, openCertificates } from './certificates.ts';
import { openDoors } from './doors.ts';
import { type DeliveryOptions, startDeliveries } from './lmtpservice.ts';
import { startShared } from './shared.ts';

export interface Running {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  readonly metrics: string | undefined;
  readonly certificates: Pick<Certificates, 'follow'>;
  /**
   * Uses these settings for connections and transactions from now on, and forgets what was known of keys.
   * Settings that need a restart must be the old ones.
   */
  reload(settings: Settings): void;
  /** Tells /metrics how the last reload went. */
  noteReload(result: ReloadResult): void;
  /** Tells /metrics how it stands with the keys. */
  noteKeys(keys: KeyNumbers): void;
  /** Tells /metrics what became of messages in folders. */
  noteFolders(numbers: FolderNumbers): void;
  /** Resolves to whether something here still answers that delivers. */
  isWell(): Promise<boolean>;
  /** Stops gracefully. What is not finished after `graceMs` is cut off, and its client sends it again. */
  stop(graceMs?: number): Promise<void>;
}

/** Starts it. `inherited`: listening descriptors passed by systemd. Throws StartError. */
export async function serve(
  settings: Settings,
  log: Log,
  inherited: readonly InheritedSocket[],
  options: DeliveryOptions = {},
): Promise<Running> {
  const metrics = createMetrics();
  watchBuild(metrics.registry);
  const expires = watchCertificates(metrics.registry);
  const certificates = await openCertificates(settings, { log, expires });
  const shared = await startShared({ settings, log, metrics, inherited }).catch((error: unknown) => {
    certificates.stop();
    throw error;
  });
  const { received } = shared;
  const deliveries = startDeliveries(settings, log, metrics, shared.state, {
    ...options,
    onReceived: received && ((row) => received.add([row])),
  });
  certificates.onChange(deliveries.secure);
  const { connect } = deliveries;
  const fault = (error: Error) => log.fault('lmtp socket', error);
  const opening = openDoors(settings, { inherited, isPaused: false, connect, fault });
  const doors = await opening.catch(async (error: unknown) => {
    certificates.stop();
    await deliveries.stop(0);
    await shared.stop();
    throw error;
  });
  return {
    lmtp: doors.lmtp,
    metrics: shared.metrics,
    certificates,
    reload(fresh) {
      deliveries.reload(fresh);
      shared.reload(fresh);
    },
    isWell: async () => true, // it could not be asked
    noteReload: watchReloads(metrics.registry),
    noteKeys: watchKeys(metrics.registry),
    noteFolders: watchFolders(metrics.registry),
    async stop(graceMs) {
      shared.leave();
      await doors.close();
      certificates.stop();
      await deliveries.stop(graceMs);
      await shared.stop();
    },
  };
}
