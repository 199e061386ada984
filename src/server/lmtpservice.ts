/**
 * LMTP and the deliveries of one process. What lasts as long as the process (the store, who is
 * connected, what is under way) is made once; what a reload changes is made anew for the
 * connections and transactions that come after it.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import { type OnReceived, wayOf } from '../core/hop.ts';
import type { Opening } from '../core/listener.ts';
import type { TlsMaterial } from '../core/tls.ts';
import type { OnUsed } from '../core/usedkeys.ts';
import type { World } from '../core/world.ts';
import type { FieldReader } from '../delivery/folder.ts';
import type { DeliveryParts } from '../delivery/parts.ts';
import { beginTransaction } from '../delivery/transaction.ts';
import { lockDescriptor } from '../edge/lock.ts';
import type { Log } from '../edge/log.ts';
import type { Metrics } from '../edge/metrics.ts';
import { realWorld } from '../edge/world.ts';
import type { LmtpConnection } from '../lmtp/connection.ts';
import { Connections } from '../lmtp/connections.ts';
import type { LmtpOptions } from '../lmtp/contract.ts';
import { LmtpServer } from '../lmtp/server.ts';
import { termsOf } from '../lmtp/terms.ts';
import { deliveryParts, openSite, type Site, type Surroundings } from '../opensite.ts';
import { pathsOf } from '../site.ts';
import type { Row } from '../tlsreport/counts.ts';
import { domainOf } from '../tlsreport/domain.ts';

/** Deliveries in flight get this long to finish on a stop; systemd waits 90 s by default. */
export const DRAIN_MS = 60_000;

export interface Deliveries {
  /** Begins a session. */
  connect(socket: Socket, opening: Opening): void;
  /** For connections and transactions from now on. Settings that need a restart must be the old ones. */
  reload(settings: Settings): void;
  /** Shows these certificates to connections from now on. */
  readonly secure: (tls: TlsMaterial | undefined) => void;
  stop(graceMs?: number): Promise<void>;
}

export interface DeliveryOptions {
  /** Is told of each key file that was read, before a message is sealed to its keys. */
  readonly onUsed?: OnUsed;
  /** Is told of each message that was stored; left out: nobody counts them. */
  readonly onReceived?: ((row: Row) => void) | undefined;
  readonly disk?: Surroundings['disk'] | undefined;
}

/** `state` is the state directory, if it is the server's own. */
export function startDeliveries(
  settings: Settings,
  log: Log,
  metrics: Metrics,
  state: string | undefined,
  { onUsed = () => {}, onReceived, disk }: DeliveryOptions = {},
): Deliveries {
  const world = realWorld(settings.hostname);
  const onParsed = (file: string, bytes: Buffer) => onUsed({ file, bytes, at: world.now() });
  const surroundings = {
    world,
    meter: metrics,
    outcomeLog: log,
    state,
    disk,
    lock: lockDescriptor,
    readFields: lazily,
    onParsed,
    onReceived: onReceived && countingBy(onReceived, world),
    onShared: () => log.info('store.state: hosts remember together again', {}),
  };
  const site = openSite(settings, surroundings);
  let current = settings;
  let tls: LmtpOptions['tls'];
  let parts = deliveryParts(settings, site);
  const begin: LmtpOptions['begin'] = (rest, client) => beginTransaction(rest, client, parts);
  const optionsFor = (chosen: Settings): LmtpOptions => ({
    ...lmtpOptions(chosen),
    world,
    begin,
    tls,
    fault: log.fault,
    replied: metrics.reply,
    distrusted: (client, why) => log.warn('TLS client', { client, why }),
  });
  const connections = new Connections<LmtpConnection>();
  metrics.watch({
    connections: () => connections.open.size,
    deliveries: () => site.mailboxes.total,
    hopConnections: () => site.hops.connections,
    lostLines: () => log.lostLines,
    isForgetful: () => site.memory?.isShared === false,
    shared: site.hosts,
    oldestSeconds: () => site.memory?.oldestSeconds ?? 0,
    freeBytes: () => leastFree(site.fileSystems, storeRoots(settings)),
    minFreeBytes: () => current.store.min_free_space,
  });
  const retire = ({ addressing }: DeliveryParts) =>
    void addressing.recipients.close?.().catch((error: unknown) => log.fault('recipients', error));
  const server = new LmtpServer(optionsFor(settings), connections);
  // before the first message needs it; what is wrong with it, the log says then
  if (settings.folders.rules.length > 0) lazily([]).catch(() => undefined);
  return {
    connect: (socket, opening) => server.accept(socket, opening),
    reload(fresh) {
      const former = parts;
      parts = deliveryParts(fresh, site, former);
      // transactions under way go on to ask the source that they began with
      if (parts.addressing !== former.addressing)
        setTimeout(retire, fresh.lmtp.session_timeout + fresh.lmtp.transaction_timeout, former).unref();
      current = fresh;
      server.configure(optionsFor(current));
    },
    secure(material) {
      tls = material && termsOrNone(material, log);
      server.configure(optionsFor(current));
    },
    async stop(graceMs = DRAIN_MS) {
      const deadline = performance.now() + graceMs;
      await server.drain(graceMs);
      // what a next hop takes after its client was told to come again is known then
      const left = Math.max(deadline - performance.now(), 0);
      await within(Promise.allSettled(site.memory?.underWay.values() ?? []), left);
      retire(parts);
      site.close();
    },
  };
}

function countingBy(count: (row: Row) => void, world: Pick<World, 'now'>): OnReceived {
  return (hop, sender) =>
    count({ domain: domainOf(sender.toString('utf8')), count: 1, last: world.now(), ...wayOf(hop) });
}

/** None where all mail goes to a next hop. */
function storeRoots(settings: Settings): string[] {
  const { store, recipients } = settings;
  return store.forward === undefined ? [pathsOf(settings).storeRoot, ...recipients.roots] : [];
}

/** Resolves to undefined while none of them is known. */
async function leastFree(fileSystems: Site['fileSystems'], roots: string[]): Promise<number | undefined> {
  const free = await Promise.all(roots.map((root) => fileSystems.free(root)));
  const known = free.flatMap((each) => each?.bytes ?? []);
  return known.length === 0 ? undefined : Math.min(...known);
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
    requiresTls: lmtp.require_tls,
  };
}

/** They were tried when they were read, so this does not fail. If it does, mail is deferred. */
function termsOrNone(material: TlsMaterial, log: Log): LmtpOptions['tls'] {
  try {
    return termsOf(material);
  } catch (error) {
    log.fault('tls', error);
    return 'unavailable';
  }
}

/** mailparser takes 25 MB and a fifth of a second, and is needed only where rules test header fields. */
const lazily: FieldReader = async (fields) => {
  const { readFields } = await import('../edge/headerfields.ts');
  return readFields(fields);
};
