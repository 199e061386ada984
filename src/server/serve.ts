/**
 * A server in one process: what is done for the whole server (shared.ts) and the deliveries
 * (lmtpservice.ts). `Running` is what cli.ts and reload.ts know of a server, of one process or of several.
 */
import type { Settings } from '../config/settings.ts';
import type { Log } from '../edge/log.ts';
import {
  createMetrics,
  type KeyNumbers,
  type ReloadResult,
  watchCertificates,
  watchKeys,
  watchReloads,
} from '../edge/metrics.ts';
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
  /** Stops gracefully. What is not finished after `graceMs` is cut off, and its client sends it again. */
  stop(graceMs?: number): Promise<void>;
}

/** Starts it. `inherited`: listening descriptors passed by systemd. Throws StartError. */
export async function serve(
  settings: Settings,
  log: Log,
  inherited: readonly number[],
  options: DeliveryOptions = {},
): Promise<Running> {
  const metrics = createMetrics();
  const expires = watchCertificates(metrics.registry);
  const certificates = await openCertificates(settings, { log, expires });
  const shared = await startShared(settings, log, metrics).catch((error: unknown) => {
    certificates.stop();
    throw error;
  });
  const deliveries = startDeliveries(settings, log, metrics, shared.state, options);
  certificates.onChange(deliveries.secure);
  const { connect } = deliveries;
  const fault = (error: Error) => log.fault('lmtp socket', error);
  const opening = openDoors(settings, { inherited, isPaused: false, connect, fault });
  const doors = await opening.catch(async (error: unknown) => {
    certificates.stop();
    await deliveries.stop(0);
    shared.stop();
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
    noteReload: watchReloads(metrics.registry),
    noteKeys: watchKeys(metrics.registry),
    async stop(graceMs) {
      doors.close();
      certificates.stop();
      await deliveries.stop(graceMs);
      shared.stop();
    },
  };
}
