/**
 * What one process does for the whole server, however many processes deliver: it claims the paths of Unix
 * sockets, answers /metrics and sweeps tmp/. Knows no session and no delivery.
 */
import type { Settings } from '../config/settings.ts';
import type { Listener } from '../core/listener.ts';
import type { Log } from '../edge/log.ts';
import { createMetricsServer, type MetricsSource } from '../edge/metricsserver.ts';
import { claimPaths, listenOn } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { openSweep } from '../opensite.ts';
import { pathsOf } from '../site.ts';
import { blamingSetting, mustBeDirectory, startError } from './starterror.ts';

const SWEEP_EVERY_MS = 60 * 60 * 1000;

export interface Shared {
  /** Where /metrics is, as one would write it in the configuration. */
  readonly metrics: string | undefined;
  stop(): void;
}

/** Starts it, before anything is delivered. Throws StartError. */
export async function startShared(settings: Settings, log: Log, source: MetricsSource): Promise<Shared> {
  try {
    const { storeRoot, keys } = pathsOf(settings);
    mustBeDirectory('store.maildir', storeRoot);
    mustBeDirectory('keys.directory', keys);
    const claim = await blamingSetting('lmtp.listen', claimPaths(listenersOf(settings)));
    const scrapes = await answerScrapes(settings, source).catch((error: unknown) => {
      claim.release();
      throw error;
    });
    const stopSweeping = startSweeping(settings, log);
    return {
      metrics: scrapes?.at,
      stop() {
        stopSweeping();
        scrapes?.stop();
        claim.release();
      },
    };
  } catch (error) {
    throw startError(error);
  }
}

/** Everything that has an address of its own: not the sockets that systemd passes. */
function listenersOf({ lmtp, metrics }: Settings): Listener[] {
  const all = [...lmtp.listen, metrics.listen];
  return all.filter((listener) => listener.type === 'unix' || listener.type === 'tcp');
}

async function answerScrapes({ lmtp, metrics }: Settings, source: MetricsSource) {
  const { listen } = metrics;
  if (listen.type === 'off') return undefined;
  const server = createMetricsServer(source);
  const at = await blamingSetting('metrics.listen', listenOn(server, listen, lmtp.socket_mode));
  return {
    at,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Sweeps now and every hour. Returns what ends it. */
function startSweeping(settings: Settings, log: Log): () => void {
  const world = realWorld(settings.hostname);
  const sweep = openSweep(settings, world);
  const run = () =>
    sweep().then(
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
