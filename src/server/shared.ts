/**
 * What one process does for the whole server, however many processes deliver: it claims the paths of Unix
 * sockets and the state directory, answers /metrics, sweeps tmp/ and turns core dumps off. Knows no session and no delivery.
 */
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Listener } from '../core/listener.ts';
import { ownStateDirectory } from '../duplicates/statedirectory.ts';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { lockDescriptor } from '../edge/lock.ts';
import type { Log } from '../edge/log.ts';
import { createMetricsServer, type MetricsSource } from '../edge/metricsserver.ts';
import { claimPaths, listenOn } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { sweep } from '../maildir/sweep.ts';
import { splitTemplate } from '../maildir/template.ts';
import { FORGETFUL } from './lmtpservice.ts';
import { blamingSetting, mustBeDirectory, startError } from './starterror.ts';

const SWEEP_EVERY_MS = 60 * 60 * 1000;

export interface Shared {
  /** Where /metrics is, as one would write it in the configuration. */
  readonly metrics: string | undefined;
  /** The state directory, if it is ours. */
  readonly state: string | undefined;
  stop(): void;
}

/** Starts it, before anything is delivered. Throws StartError. */
export async function startShared(settings: Settings, log: Log, source: MetricsSource): Promise<Shared> {
  const settled = turnOffCoreDumps().then((reason) => {
    if (reason !== undefined)
      log.warn('core dumps are not turned off: one may hold mail in clear', { reason });
  });
  try {
    mustBeDirectory('store.maildir', splitTemplate(resolve(settings.store.maildir)).root);
    mustBeDirectory('keys.directory', resolve(settings.keys.directory));
    const claim = await blamingSetting('lmtp.listen', claimPaths(listenersOf(settings)));
    const scrapes = await answerScrapes(settings, source).catch((error: unknown) => {
      claim.release();
      throw error;
    });
    const state = await ownState(settings, log);
    const stopSweeping = startSweeping(settings, log);
    await settled; // before there is any mail in memory
    return {
      metrics: scrapes?.at,
      state: state?.directory,
      stop() {
        stopSweeping();
        scrapes?.stop();
        state?.release();
        claim.release();
      },
    };
  } catch (error) {
    throw startError(error);
  }
}

/** Mail goes on without the state directory: then each process remembers alone. */
async function ownState({ store, hostname }: Settings, log: Log) {
  if (store.duplicates === 0) return undefined;
  const directory = resolve(store.state);
  try {
    const owned = await ownStateDirectory(directory, { lock: lockDescriptor, world: realWorld(hostname) });
    return { directory, release: owned.release };
  } catch (error) {
    log.fault(FORGETFUL, error);
    return undefined;
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
  const run = () =>
    sweep(resolve(settings.store.maildir), world.now()).then(
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
