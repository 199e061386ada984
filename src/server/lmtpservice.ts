/**
 * LMTP and the deliveries of one process. What lasts as long as the process (the store, who is
 * connected, what is under way) is made once; what a reload changes is made anew for the
 * connections and transactions that come after it.
 */
import type { Server } from 'node:net';
import { resolve } from 'node:path';
import { addressRules } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { Listener } from '../core/listener.ts';
import { Slots } from '../core/slots.ts';
import type { World } from '../core/world.ts';
import { acceptSender } from '../delivery/accept.ts';
import type { DeliveryParts } from '../delivery/parts.ts';
import { Transaction } from '../delivery/transaction.ts';
import type { Disk } from '../disk/disk.ts';
import { openDisk } from '../disk/open.ts';
import { RememberedDeliveries } from '../duplicates/memory.ts';
import type { Log } from '../edge/log.ts';
import type { Metrics } from '../edge/metrics.ts';
import { listenOn, listenOnDescriptor } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { KeyDirectory } from '../keys/directory.ts';
import { Connections } from '../lmtp/connections.ts';
import type { LmtpOptions } from '../lmtp/contract.ts';
import { type LmtpConnection, LmtpServer } from '../lmtp/server.ts';
import { Space } from '../maildir/space.ts';
import { Store } from '../maildir/store.ts';
import { splitTemplate } from '../maildir/template.ts';
import { KeyFiles } from '../recipients/keyfiles.ts';
import { blamingSetting, startError } from './starterror.ts';

/** Deliveries in flight get this long to finish on a stop; systemd waits 90 s by default. */
export const DRAIN_MS = 60_000;

/** For the log, when the state directory cannot be used. */
export const FORGETFUL = 'store.state: each process knows its own deliveries only';

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
  disk = openDisk({ hungMs: settings.lmtp.stall_timeout, world: realWorld(settings.hostname) }),
): Promise<Deliveries> {
  const lasting = lastingParts(settings, log, metrics, disk, state);
  let parts = deliveryParts(settings, lasting);
  const begin: LmtpOptions['begin'] = (rest, client) => {
    const sender = acceptSender(rest, parts.limits.maxMessageBytes);
    return typeof sender === 'string' ? sender : new Transaction(parts, sender, client);
  };
  const optionsFor = (chosen: Settings): LmtpOptions => ({
    ...lmtpOptions(chosen),
    world: parts.world,
    begin,
    fault: log.fault,
  });
  const connections = new Connections<LmtpConnection>();
  metrics.watch({
    connections: () => connections.open.size,
    deliveries: () => lasting.mailboxes.total,
    lostLines: () => log.lostLines,
    isForgetful: () => lasting.memory?.isShared === false,
    oldestSeconds: () => lasting.memory?.oldestSeconds ?? 0,
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
      parts = deliveryParts(fresh, lasting);
      for (const server of servers) server.configure(optionsFor(fresh));
    },
    async stop(graceMs = DRAIN_MS) {
      await Promise.all(servers.map((server) => server.drain(graceMs)));
      lasting.memory?.close();
      disk.close();
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

type LastingParts = Pick<
  DeliveryParts,
  'world' | 'meter' | 'outcomeLog' | 'store' | 'mailboxes' | 'space'
> & {
  readonly memory: RememberedDeliveries | undefined;
};

function lastingParts(
  settings: Settings,
  log: Log,
  metrics: Metrics,
  disk: Disk,
  state: string | undefined,
): LastingParts {
  const world = realWorld(settings.hostname);
  const { root } = splitTemplate(resolve(settings.store.maildir));
  return {
    world,
    meter: metrics,
    outcomeLog: log,
    store: new Store({ disk, world, meter: metrics, root }),
    mailboxes: new Slots(),
    space: new Space(disk),
    memory: deliveryMemory(settings, log, world, state),
  };
}

function deliveryMemory(
  { store }: Settings,
  log: Log,
  world: World,
  directory: string | undefined,
): RememberedDeliveries | undefined {
  if (store.duplicates === 0) return undefined;
  const fault = (error: unknown) => log.fault(FORGETFUL, error);
  return new RememberedDeliveries({ directory, windowMs: store.duplicates, world, fault });
}

/** Everything a delivery needs; what was known of keys is forgotten. */
function deliveryParts(settings: Settings, lasting: LastingParts): DeliveryParts {
  const { lmtp, store, keys, recipients, headers } = settings;
  const same = addressRules(settings);
  const keyDirectory = new KeyDirectory(resolve(keys.directory), same, lasting.world);
  return {
    ...lasting,
    keys: keyDirectory,
    resolve: {
      recipients: new KeyFiles(keyDirectory),
      same,
      delimiter: recipients.delimiter,
      maildir: resolve(store.maildir),
    },
    select: { unusable: keys.unusable, subkeys: keys.subkeys },
    policy: headers.policy,
    limits: {
      maxMessageBytes: lmtp.max_message_size,
      maxHeaderBytes: lmtp.max_header_size,
      maxRecipients: lmtp.max_recipients,
      maxMailboxDeliveries: lmtp.max_mailbox_deliveries,
      minFreeBytes: store.min_free_space,
      stallMs: lmtp.stall_timeout,
      answerMs: lmtp.transaction_timeout,
    },
  };
}
