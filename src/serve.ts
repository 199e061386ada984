/**
 * Composition root of the server: the only place that constructs things and knows them all.
 * Starts listening, sweeps tmp/ now and then, and stops in order: no new connections, idle
 * ones told 421, deliveries in flight finished.
 */
import { statSync } from 'node:fs';
import type { Server } from 'node:net';
import { resolve } from 'node:path';
import type { Settings } from './config/settings.ts';
import type { SameAddress } from './core/address.ts';
import { acceptSender } from './delivery/accept.ts';
import { Store } from './delivery/store.ts';
import { splitTemplate, sweep } from './delivery/sweep.ts';
import { type DeliveryParts, Transaction } from './delivery/transaction.ts';
import { realDisk } from './edge/disk.ts';
import { KeyDirectory } from './edge/keyring.ts';
import { type LmtpConnection, type LmtpOptions, LmtpServer } from './edge/lmtp.ts';
import type { Log } from './edge/log.ts';
import { createMetrics, createMetricsServer, type Metrics } from './edge/metrics.ts';
import { type ListenAddress, listenOn, listenOnDescriptor } from './edge/sockets.ts';
import { realWorld } from './edge/world.ts';

const SWEEP_EVERY_MS = 60 * 60 * 1000;
/** Deliveries in flight get this long to finish on a stop; systemd waits 90 s by default. */
const DRAIN_MS = 60_000;

export interface Running {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  readonly metrics: string | undefined;
  /** Stops gracefully; what is not finished after `graceMs` is cut off and deferred by the client. */
  stop(graceMs?: number): Promise<void>;
}

/** Anything the operator must mend before the server can run. */
export class StartError extends Error {}

/** `inherited`: listening descriptors passed by systemd. Throws StartError. */
export async function serve(settings: Settings, log: Log, inherited: readonly number[]): Promise<Running> {
  const metrics = createMetrics();
  const parts = deliveryParts(settings, log, metrics);
  const open = new Set<LmtpConnection>();
  metrics.watchConnections(() => open.size);
  const options: LmtpOptions = {
    host: settings.hostname,
    maxMessageBytes: settings.lmtp.max_message_size,
    maxConnections: settings.lmtp.max_connections,
    idleMs: settings.lmtp.idle_timeout,
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
  try {
    for (const address of settings.lmtp.listen) {
      if (address.type !== 'systemd') await listen((server) => bindTo(server, address, settings));
      else for (const fd of fromSystemd(inherited)) await listen((server) => listenOnDescriptor(server, fd));
    }
    const scrape = await startMetrics(settings, metrics);
    const stopSweeping = startSweeping(settings, log);
    return {
      lmtp,
      metrics: scrape?.address,
      async stop(graceMs = DRAIN_MS) {
        stopSweeping();
        await Promise.all(servers.map((server) => server.drain(graceMs)));
        scrape?.server.close();
        scrape?.server.closeAllConnections();
      },
    };
  } catch (error) {
    for (const server of servers) server.server.close();
    throw new StartError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function bindTo(server: Server, address: ListenAddress, settings: Settings): Promise<string> {
  return listenOn(server, address, settings.lmtp.socket_mode);
}

function fromSystemd(inherited: readonly number[]): readonly number[] {
  if (inherited.length === 0) throw new Error('lmtp.listen is "systemd" but systemd passed no sockets');
  return inherited;
}

/** The recipient rules that `serve`, `seal` and `check` share. */
export function addressRules(settings: Settings): SameAddress {
  return { localCase: settings.recipients.case, defaultDomain: settings.hostname };
}

/** Everything a delivery needs, made of the settings. */
function deliveryParts(settings: Settings, log: Log, metrics: Metrics): DeliveryParts {
  const { lmtp, keys, recipients, headers } = settings;
  const maildir = resolve(settings.store.maildir);
  const { root } = splitTemplate(maildir);
  mustBeDirectory('store.maildir', root);
  mustBeDirectory('keys.directory', resolve(keys.directory));
  const world = realWorld(settings.hostname);
  const same = addressRules(settings);
  return {
    world,
    meter: metrics,
    journal: log,
    store: new Store({ disk: realDisk, world, meter: metrics, root }),
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

async function startMetrics(settings: Settings, metrics: Metrics) {
  const { listen } = settings.metrics;
  if (listen.type === 'off') return undefined;
  const server = createMetricsServer(metrics.registry);
  return { server, address: await listenOn(server, listen, settings.lmtp.socket_mode) };
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
