/**
 * A worker process: it delivers, and does what its primary orders, until the primary says stop or is
 * gone. It claims no socket path, sweeps nothing and reads no configuration file.
 */
import cluster from 'node:cluster';
import { Socket } from 'node:net';
import { countsDomains } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { Opening } from '../core/listener.ts';
import type { TlsMaterial } from '../core/tls.ts';
import { createLog, linesTo } from '../edge/log.ts';
import { createMetrics } from '../edge/metrics.ts';
import { Batch } from '../tlsreport/batch.ts';
import { startDeliveries } from './lmtpservice.ts';
import { isOrder, LOG_FD, type Order, type Report } from './messages.ts';

/** Runs a worker process. Returns when it is done. */
export async function serveWorker(): Promise<void> {
  // else Node ends the process as soon as the primary is gone, with deliveries in flight
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  const orders = new Orders();
  report({ report: 'ready' });
  const start = await orders.start;
  if (start === undefined) return;
  const metrics = createMetrics();
  const log = createLog(start.settings.log.level, start.log, linesTo(LOG_FD));
  const received = new Batch((rows) => report({ report: 'received', rows }));
  const deliveries = startDeliveries(start.settings, log, metrics, start.state, {
    onReceived: countsDomains(start.settings) ? (row) => received.add(row) : undefined,
    onUsed: ({ file, bytes, at }) =>
      report({ report: 'key', file, bytes: bytes.toString('base64'), at }, () => {}),
  });
  orders.onTell(() => {
    const told = metrics.figures().then((figures) => report({ report: 'figures', figures }));
    told.catch((error) => log.fault('figures', error));
  });
  orders.onCertificates(deliveries.secure);
  orders.onReload((fresh) => {
    deliveries.reload(fresh);
    log.setLevel(fresh.log.level);
  });
  let greeted = Promise.resolve();
  orders.onConnection((socket, opening) => {
    socket.allowHalfOpen = true; // which does not come along
    greeted = new Promise((resolve) => {
      report({ report: 'taken' }, () => resolve(deliveries.connect(socket, opening)));
    });
  });
  report({ report: 'serving' });
  await orders.obeyStop(async (graceMs) => {
    await greeted;
    await deliveries.stop(graceMs);
  });
  received.flush();
}

/** `then` is called when it is on its way, or the primary gone. */
function report(what: Report, then?: () => void): void {
  process.send?.(what, undefined, undefined, then);
}

type Of<Kind extends Order['order']> = Extract<Order, { order: Kind }>;

/** Orders of the primary, kept until somebody is there to obey them: one that nobody takes would be lost. */
class Orders {
  /** The order to start; undefined when the order to stop came first. */
  readonly start: Promise<Of<'start'> | undefined>;
  #begin: (order: Of<'start'> | undefined) => void = () => {};
  #reload: ((settings: Settings) => void) | undefined;
  #newest: Settings | undefined;
  #tell: () => void = () => {};
  #tls: TlsMaterial | undefined;
  #secure: (tls: TlsMaterial | undefined) => void = () => {};
  #connect: (socket: Socket, opening: Opening) => void = (socket) => socket.destroy();
  #hasSocket = false; // of the last connection
  #stop: ((order: Of<'stop'>) => void) | undefined;
  #stopOrder: Of<'stop'> | undefined;

  constructor() {
    this.start = new Promise((resolve) => {
      this.#begin = resolve;
    });
    process.on('message', (message, socket) => {
      if (isOrder(message)) this.#take(message, socket);
    });
    process.once('disconnect', () => this.#take({ order: 'stop' }));
  }

  /** `act` is called for each reload, the last of those before this call included. */
  onReload(act: (settings: Settings) => void): void {
    this.#reload = act;
    if (this.#newest !== undefined) act(this.#newest);
  }

  /** `act` is called with what to show clients, now and whenever that changes. */
  onCertificates(act: (tls: TlsMaterial | undefined) => void): void {
    this.#secure = act;
    act(this.#tls);
  }

  /** `act` is called for each question. */
  onTell(act: () => void): void {
    this.#tell = act;
  }

  /** `act` is called for each connection. */
  onConnection(act: (socket: Socket, opening: Opening) => void): void {
    this.#connect = act;
  }

  /** Resolves when `act` has, once told to stop; a second order, with less patience, cuts the first short. */
  obeyStop(act: (graceMs: number | undefined) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stop = ({ graceMs }) => void act(graceMs).then(resolve, reject);
      if (this.#stopOrder !== undefined) this.#stop(this.#stopOrder);
    });
  }

  #take(order: Order, socket?: unknown): void {
    switch (order.order) {
      case 'start':
        this.#tls = order.tls;
        this.#begin(order);
        break;
      case 'reload':
        this.#newest = order.settings;
        this.#reload?.(order.settings);
        break;
      case 'certificates':
        this.#tls = order.tls;
        this.#secure(order.tls);
        break;
      case 'stop':
        this.#stopOrder = order;
        this.#begin(undefined);
        this.#stop?.(order);
        break;
      case 'connection':
        this.#hasSocket = socket instanceof Socket;
        if (socket instanceof Socket) this.#connect(socket, order.opening);
        break;
      case 'confirm':
        // Node passes a message whose socket was lost on to nobody
        if (!this.#hasSocket) report({ report: 'missed' });
        this.#hasSocket = false;
        break;
      case 'tell':
        this.#tell();
        break;
      default:
        order satisfies never;
    }
  }
}
