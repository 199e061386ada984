/**
 * LMTP and the deliveries of one process. What lasts as long as the process (the store, who is
 * connected, what is under way) is made once; what a reload changes is made anew for the
 * connections and transactions that come after it.
 */
import type { Server } from 'node:net';
import type { Settings } from '../config/settings.ts';
import type { Listener } from '../core/listener.ts';
import { beginTransaction } from '../delivery/transaction.ts';
import type { Log } from '../edge/log.ts';
import type { Metrics } from '../edge/metrics.ts';
import { listenOn, listenOnDescriptor } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { Connections } from '../lmtp/connections.ts';
import type { LmtpOptions } from '../lmtp/contract.ts';
import { type LmtpConnection, LmtpServer } from '../lmtp/server.ts';
import { deliveryParts, openSite, type Surroundings } from '../opensite.ts';
import { blamingSetting, startError } from './starterror.ts';

/** Deliveries in flight get this long to finish on a stop; systemd waits 90 s by default. */
export const DRAIN_MS = 60_000;

export interface Deliveries {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  /** For connections and transactions from now on. Settings that need a restart must be the old ones. */
  reload(settings: Settings): void;
  stop(graceMs?: number): Promise<void>;
}

/** What a process is given beside its settings. */
export interface Given {
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly number[];
  /** The state directory, if it is the server's own. */
  readonly state: string | undefined;
}

/** Throws StartError. */
export async function startDeliveries(
  settings: Settings,
  log: Log,
  metrics: Metrics,
  { inherited, state }: Given,
  disk?: Surroundings['disk'],
): Promise<Deliveries> {
  const world = realWorld(settings.hostname);
  const site = openSite(settings, { world, meter: metrics, outcomeLog: log, state, disk });
  let parts = deliveryParts(settings, site);
  const begin: LmtpOptions['begin'] = (rest, client) => beginTransaction(rest, client, parts);
  const optionsFor = (chosen: Settings): LmtpOptions => ({
    ...lmtpOptions(chosen),
    world,
    begin,
    fault: log.fault,
  });
  const connections = new Connections<LmtpConnection>();
  metrics.watch({
    connections: () => connections.open.size,
    deliveries: () => site.mailboxes.total,
    lostLines: () => log.lostLines,
    isForgetful: () => site.memory?.isShared === false,
    oldestSeconds: () => site.memory?.oldestSeconds ?? 0,
  });
  const servers: LmtpServer[] = [];
  const lmtp: string[] = [];
  const listen = async (bind: (server: Server) => Promise<string>) => {
    const server = new LmtpServer(optionsFor(settings), connections);
    servers.push(server);
    lmtp.push(await bind(server.server));
  };
  const bindTo = (address: Listener) => (server: Server) =>
    blamingSetting('lmtp.listen', listenOn(server, address, settings.lmtp.socket_mode));
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
    reload(fresh) {
      parts = deliveryParts(fresh, site);
      for (const server of servers) server.configure(optionsFor(fresh));
    },
    async stop(graceMs = DRAIN_MS) {
      await Promise.all(servers.map((server) => server.drain(graceMs)));
      site.close();
    },
  };
}

function fromSystemd(inherited: readonly number[]): readonly number[] {
  if (inherited.length === 0) throw new Error('lmtp.listen is "systemd" but systemd passed no sockets');
  return inherited;
}

function lmtpOptions({ hostname, lmtp }: Settings) {
  return {
    host: hostname,
    maxMessageBytes: lmtp.max_message_size,
    maxConnections: lmtp.max_connections,
    maxPeerConnections: lmtp.max_peer_connections,
    idleMs: lmtp.idle_timeout,
    blockMs: lmtp.block_timeout,
    dataMs: lmtp.data_timeout,
    sessionMs: lmtp.session_timeout,
  };
}
