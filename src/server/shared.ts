/**
 * What one process does for the whole server, however many processes deliver: it claims the paths of Unix
 * sockets and the state directory, answers /metrics, sweeps tmp/ and turns core dumps off. Knows no session.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { countsDomains } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { InheritedSocket, Listener } from '../core/listener.ts';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { lockDescriptor } from '../edge/lock.ts';
import type { Log } from '../edge/log.ts';
import { createMetricsServer, type MetricsSource } from '../edge/metricsserver.ts';
import { claimPaths } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { FORGETFUL, type OwnedState, ownState, tryShared } from '../openmemory.ts';
import { openSweep } from '../opensite.ts';
import { pathsOf, trySource } from '../site.ts';
import { TlsReport } from '../tlsreport/tlsreport.ts';
import { listenAs, unusedOf } from './inherited.ts';
import { openMaps } from './maps.ts';
import { Readiness } from './readiness.ts';
import { blamingSetting, mustBeDirectory, startError } from './starterror.ts';

const SWEEP_EVERY_MS = 60 * 60 * 1000;

export interface Shared {
  /** Where /metrics is, as one would write it in the configuration. */
  readonly metrics: string | undefined;
  /** The state directory, if it is ours. */
  readonly state: string | undefined;
  /** Counts messages that came; undefined where they are not counted. */
  readonly received: Pick<TlsReport, 'add'> | undefined;
  reload(settings: Settings): void;
  /** Says that the server is about to stop, while it still delivers what is under way. */
  leave(): void;
  stop(): Promise<void>;
}

export interface SharedParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: MetricsSource;
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly InheritedSocket[];
}

/** Starts it, before anything is delivered. Throws StartError. */
export async function startShared(parts: SharedParts): Promise<Shared> {
  const { settings, log, inherited } = parts;
  const settled = turnOffCoreDumps().then((reason) => {
    if (reason !== undefined)
      log.warn('core dumps are not turned off: one may hold mail in clear', { reason });
  });
  try {
    const { storeRoot, keys, wkd } = pathsOf(settings);
    // a site that passes all mail on has no disk for it
    const hasMaildirs = settings.store.forward === undefined;
    if (hasMaildirs) mustBeDirectory('store.maildir', storeRoot);
    mustBeDirectory('keys.directory', keys);
    if (wkd !== undefined) mustBeDirectory('keys.wkd_directory', wkd);
    for (const root of settings.recipients.roots) mustBeDirectory('recipients.roots', root);
    await blamingSetting('recipients.source', trySource(settings));
    await blamingSetting('store.forward_ca_file', tryAuthorities(settings));
    await blamingSetting('store.state', tryShared(settings));
    const claim = await blamingSetting('lmtp.listen', claimOwnPaths(settings, inherited));
    const readiness = new Readiness(settings, realWorld(settings.hostname));
    for (const { name } of unusedOf(inherited, settings)) log.warn('socket not used', { name });
    const [scrapes, maps] = await openListeners(parts, readiness).catch((error: unknown) => {
      claim.release();
      throw error;
    });
    const state = await claimState(settings, log);
    const received = countsDomains(settings) ? await openReport(settings, log, state?.directory) : undefined;
    const stopSweeping = hasMaildirs ? startSweeping(settings, log) : () => {};
    await settled; // before there is any mail in memory
    return {
      metrics: scrapes?.at,
      state: state?.directory,
      received,
      reload(fresh) {
        maps?.reload(fresh);
        readiness.reload(fresh);
      },
      leave: () => readiness.leave(),
      async stop() {
        stopSweeping();
        scrapes?.stop();
        maps?.close();
        readiness.close();
        await received?.stop();
        state?.release();
        claim.release();
      },
    };
  } catch (error) {
    throw startError(error);
  }
}

async function tryAuthorities({ store }: Settings): Promise<void> {
  if (store.forward_ca_file !== '') createSecureContext({ ca: await readFile(store.forward_ca_file) });
}

/** Who listens at a path of ours may be systemd. */
async function claimOwnPaths(settings: Settings, inherited: readonly InheritedSocket[]) {
  return claimPaths(listenersOf(settings)).catch((error: Error) => {
    const unused = unusedOf(inherited, settings).map(({ name }) => name);
    if (unused.length === 0) throw error;
    const passed = `systemd has passed a socket that no setting uses (${unused.join(', ')})`;
    throw new Error(`${error.message}; ${passed}: if it is this one, write "systemd" instead of the path`);
  });
}

/** Opens both, or none. */
async function openListeners(parts: SharedParts, readiness: Readiness) {
  const { settings, log, inherited } = parts;
  const scrapes = await answerScrapes(parts, readiness);
  const maps = openMaps(settings, log, inherited).catch((error: unknown) => {
    scrapes?.stop();
    throw error;
  });
  return [scrapes, await maps] as const;
}

/** Mail goes on without the state directory: then each process remembers alone. */
async function claimState(settings: Settings, log: Log): Promise<OwnedState | undefined> {
  const options = { lock: lockDescriptor, world: realWorld(settings.hostname) };
  return ownState(settings, options).catch((error: unknown) => {
    log.fault(settings.store.duplicates === 0 ? 'tls_report' : FORGETFUL, error);
    return undefined;
  });
}

function openReport(settings: Settings, log: Log, directory: string | undefined): Promise<TlsReport> {
  const world = realWorld(settings.hostname);
  return TlsReport.open({ directory, world, fault: (error) => log.fault('tls_report', error) });
}

/** Everything that has an address of its own: not the sockets that systemd passes. */
function listenersOf({ lmtp, metrics, recipients }: Settings): Listener[] {
  const all = [...lmtp.listen, metrics.listen, recipients.map_listen];
  return all.filter((listener) => listener.type === 'unix' || listener.type === 'tcp');
}

async function answerScrapes({ settings, metrics, inherited }: SharedParts, readiness: Readiness) {
  const { listen } = settings.metrics;
  if (listen.type === 'off') return undefined;
  const { server, close } = createMetricsServer(metrics, () => readiness.troubles());
  const at = await blamingSetting('metrics.listen', listenAs(listen, server, inherited, settings));
  return { at, stop: close };
}

/** Sweeps now and every hour. Returns what ends it. */
function startSweeping(settings: Settings, log: Log): () => void {
  const world = realWorld(settings.hostname);
  const sweep = openSweep(settings, world);
  let isSweeping = false; // a large site may take longer than an hour
  const run = () => {
    if (isSweeping) return;
    isSweeping = true;
    const swept = sweep().finally(() => {
      isSweeping = false;
    });
    swept.then(
      (result) => {
        if (result.removed + result.failed > 0) log.info('swept old files from tmp/', result);
      },
      (error) => log.fault('sweep', error),
    );
  };
  const timer = setInterval(run, SWEEP_EVERY_MS);
  timer.unref();
  run();
  return () => clearInterval(timer);
}
