/**
 * Composition root of the server: one process that does everything, and what a process does for
 * several (cluster.ts): the paths of Unix sockets, /metrics, the sweep of tmp/ now and then.
 */
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Disk } from '../disk/disk.ts';
import { openFileSystems } from '../disk/open.ts';
import type { Log } from '../edge/log.ts';
import {
  createMetrics,
  createMetricsServer,
  type MetricsSource,
  type ReloadResult,
  watchReloads,
} from '../edge/metrics.ts';
import { claimPaths, type ListenAddress, listenOn } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { sweep } from '../maildir/sweep.ts';
import { splitTemplate } from '../maildir/template.ts';
import { startDeliveries } from './lmtpservice.ts';
import { mustBeDirectory, named, startError } from './starterror.ts';

const SWEEP_EVERY_MS = 60 * 60 * 1000;

export interface Running {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  readonly metrics: string | undefined;
  /** Resolves, with a sentence, when it cannot go on by itself; never otherwise. */
  readonly failed: Promise<string>;
  /** Takes settings over for what comes from now on, those that need a restart unchanged; forgets what it knew of keys. */
  reload(settings: Settings): void;
  /** How the last reload went, for /metrics. */
  noteReload(result: ReloadResult): void;
  /** Stops gracefully; what is not finished after `graceMs` is cut off and deferred by the client. */
  stop(graceMs?: number): Promise<void>;
}

/** One process that does everything. `inherited`: listening descriptors passed by systemd. Throws StartError. */
export async function serve(
  settings: Settings,
  log: Log,
  inherited: readonly number[],
  disk?: Disk,
): Promise<Running> {
  const metrics = createMetrics();
  const shared = await startShared(settings, log, metrics);
  try {
    const deliveries = await startDeliveries(settings, log, metrics, inherited, disk);
    return {
      lmtp: deliveries.lmtp,
      metrics: shared.metrics,
      failed: new Promise(() => {}),
      reload: deliveries.reload,
      noteReload: watchReloads(metrics.registry),
      async stop(graceMs) {
        await deliveries.stop(graceMs);
        shared.stop();
      },
    };
  } catch (error) {
    shared.stop();
    throw error;
  }
}

/** What one process does for all: the paths of Unix sockets, /metrics, the sweep. Throws StartError. */
export async function startShared(settings: Settings, log: Log, source: MetricsSource) {
  try {
    mustBeDirectory('store.maildir', splitTemplate(resolve(settings.store.maildir)).root);
    mustBeDirectory('keys.directory', resolve(settings.keys.directory));
    const listeners: ListenAddress[] = settings.lmtp.listen.filter((address) => address.type !== 'systemd');
    const { listen } = settings.metrics;
    const claim = await named(
      'lmtp.listen',
      claimPaths(listen.type === 'off' ? listeners : [...listeners, listen]),
    );
    const scrape = listen.type === 'off' ? undefined : createMetricsServer(source);
    let metrics: string | undefined;
    if (scrape !== undefined && listen.type !== 'off') {
      const bound = named('metrics.listen', listenOn(scrape, listen, settings.lmtp.socket_mode));
      metrics = await bound.catch((error: unknown) => {
        claim.release();
        throw error;
      });
    }
    const stopSweeping = startSweeping(settings, log);
    return {
      metrics,
      stop() {
        stopSweeping();
        scrape?.close();
        scrape?.closeAllConnections();
        claim.release();
      },
    };
  } catch (error) {
    throw startError(error);
  }
}

function startSweeping(settings: Settings, log: Log): () => void {
  const world = realWorld(settings.hostname);
  const template = resolve(settings.store.maildir);
  const fileSystems = openFileSystems({ hungMs: settings.lmtp.stall_timeout, world });
  const run = () =>
    sweep({ template, now: world.now(), fileSystems }).then(
      (result) => {
        if (result.removed + result.failed > 0) log.info('swept old files from tmp/', result);
      },
      (error) => log.fault('sweep', error),
    );
  const timer = setInterval(run, SWEEP_EVERY_MS);
  timer.unref();
  run();
  return () => clearInterval(timer);
}
