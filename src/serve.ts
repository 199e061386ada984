/**
 * Composition root of the server: the only place that constructs things and knows them all.
 * Starts listening, sweeps tmp/ now and then, and stops in order: no new connections, idle
 * ones told 421, deliveries in flight finished.
 */
import { statSync } from 'node:fs';
import type { Server } from 'node:net';
import { resolve } from 'node:path';
import { addressRules } from './config/rules.ts';
import type { Settings } from './config/settings.ts';
import { acceptSender } from './delivery/accept.ts';
import { Store } from './delivery/store.ts';
import { splitTemplate, sweep } from './delivery/sweep.ts';
import { type DeliveryParts, Transaction } from './delivery/transaction.ts';
import type { LmtpOptions } from './edge/dialogue.ts';
import { type Disk, realDisk } from './edge/disk.ts';
import { KeyDirectory } from './edge/keyring.ts';
import { type LmtpConnection, LmtpServer } from './edge/lmtp.ts';
import type { Log } from './edge/log.ts';
import { createMetrics, createMetricsServer, type Metrics, type MetricsSource } from './edge/metrics.ts';
import { sharedDisk } from './edge/share.ts';
import { claimPaths, type ListenAddress, listenOn, listenOnDescriptor } from './edge/sockets.ts';
import { realWorld } from './edge/world.ts';

const SWEEP_EVERY_MS = 60 * 60 * 1000;
/** Deliveries in flight get this long to finish on a stop; systemd waits 90 s by default. */
export const DRAIN_MS = 60_000;

export interface Running {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  readonly metrics: string | undefined;
  /** Resolves, with a sentence, when it cannot go on by itself; never otherwise. */
  readonly failed: Promise<string>;
  /** Stops gracefully; what is not finished after `graceMs` is cut off and deferred by the client. */
  stop(graceMs?: number): Promise<void>;
}

/** Anything the operator must mend before the server can run. */
export class StartError extends Error {}

/** One process that does everything. `inherited`: listening descriptors passed by systemd. Throws StartError. */
export async function serve(
  settings: Settings,
  log: Log,
  inherited: readonly number[],
  disk: Disk = realDisk,
): Promise<Running> {
  const metrics = createMetrics();
  const shared = await startShared(settings, log, metrics);
  try {
    const delivery = await startDelivery(settings, log, metrics, inherited, disk);
    return {
      lmtp: delivery.lmtp,
      metrics: shared.metrics,
      failed: new Promise(() => {}),
      async stop(graceMs) {
        await delivery.stop(graceMs);
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

/** LMTP and the deliveries of one process. Throws StartError. */
export async function startDelivery(
  settings: Settings,
  log: Log,
  metrics: Metrics,
  inherited: readonly number[],
  disk: Disk = realDisk,
) {
  const parts = deliveryParts(settings, log, metrics, disk);
  const open = new Set<LmtpConnection>();
  metrics.watch(
    () => open.size,
    () => log.lostLines,
  );
  const options: LmtpOptions = {
    host: settings.hostname,
    maxMessageBytes: settings.lmtp.max_message_size,
    maxConnections: settings.lmtp.max_connections,
    idleMs: settings.lmtp.idle_timeout,
    dataMs: settings.lmtp.data_timeout,
    sessionMs: settings.lmtp.session_timeout,
    begin(rest, client) {
      const sender = acceptSender(rest, settings.lmtp.max_message_size);
      return typeof sender === 'string' ? sender : new Transaction(parts, sender, client);
    },
    fault: log.fault,
  };
  const servers: LmtpServer[] = [];
  const lmtp: string[] = [];
  const listen = async (bind: (server: Server) => Promise<string>) => {
    const server = new LmtpServer(options, open);
    servers.push(server);
    lmtp.push(await bind(server.server));
  };
  const bindTo = (address: ListenAddress) => (server: Server) =>
    named('lmtp.listen', listenOn(server, address, settings.lmtp.socket_mode));
  try {
    for (const address of settings.lmtp.listen) {
      if (address.type !== 'systemd') await listen(bindTo(address));
      else for (const fd of fromSystemd(inherited)) await listen((server) => listenOnDescriptor(server, fd));
    }
  } catch (error) {
    for (const server of servers) server.server.close();
    throw startError(error);
  }
  return {
    lmtp,
    async stop(graceMs = DRAIN_MS) {
      await Promise.all(servers.map((server) => server.drain(graceMs)));
    },
  };
}

function startError(error: unknown): StartError {
  return error instanceof StartError ? error : new StartError(messageOf(error), { cause: error });
}

/** Says which setting is to be looked at. */
function named<T>(setting: string, work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw new StartError(`${setting}: ${messageOf(error)}`, { cause: error });
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fromSystemd(inherited: readonly number[]): readonly number[] {
  if (inherited.length === 0) throw new Error('lmtp.listen is "systemd" but systemd passed no sockets');
  return inherited;
}

/** Everything a delivery needs, made of the settings. */
function deliveryParts(settings: Settings, log: Log, metrics: Metrics, disk: Disk): DeliveryParts {
  const { lmtp, keys, recipients, headers } = settings;
  const maildir = resolve(settings.store.maildir);
  const { root } = splitTemplate(maildir);
  const world = realWorld(settings.hostname);
  const same = addressRules(settings);
  return {
    world,
    meter: metrics,
    journal: log,
    store: new Store({ disk: sharedDisk(disk, lmtp.stall_timeout), world, meter: metrics, root }),
    resolve: {
      keyDirectory: new KeyDirectory(resolve(keys.directory), same),
      same,
      delimiter: recipients.delimiter,
      maildir,
    },
    select: { unusable: keys.unusable, subkeys: keys.subkeys },
    policy: headers.policy,
    limits: {
      maxMessageBytes: lmtp.max_message_size,
      maxHeaderBytes: lmtp.max_header_size,
      maxRecipients: lmtp.max_recipients,
      stallMs: lmtp.stall_timeout,
      answerMs: lmtp.transaction_timeout,
    },
  };
}

/** Never made by us: a missing one may be a disk that is not mounted. */
function mustBeDirectory(setting: string, path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new StartError(`${setting}: ${path} is no directory (make it, or mount what belongs there)`);
  }
}

function startSweeping(settings: Settings, log: Log): () => void {
  const run = () =>
    sweep(resolve(settings.store.maildir), Date.now()).then(
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
