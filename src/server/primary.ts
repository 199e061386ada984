/**
 * Several processes on one set of sockets (node:cluster): the primary listens, hands out
 * connections in turn, sweeps and serves the sum of the metrics; workers deliver. A worker
 * that dies is replaced; what it had not answered with 250 its clients send again.
 */
import cluster, { type Worker } from 'node:cluster';
import { performance } from 'node:perf_hooks';
import type { Settings } from '../config/settings.ts';
import type { Log } from '../edge/log.ts';
import { answerPrimary, createClusterMetrics, createMetrics } from '../edge/metrics.ts';
import { DRAIN_MS, startDeliveries } from './lmtpservice.ts';
import { type Running, startShared } from './serve.ts';
import { StartError } from './starterror.ts';

/** A worker that lives for less is replaced only after this long: a fault at start must not spin. */
const SETTLED_MS = 2000;
/** How much longer than its deliveries a worker may take to go, before it is killed. */
const LINGER_MS = 5000;
/** Connections are dealt out evenly but do not end so: no worker's share is smaller than this. */
const LEAST_SHARE = 16;

interface Assignment {
  readonly settings: Settings;
  readonly inherited: readonly number[];
}
interface Reload {
  readonly reload: Settings;
}
interface Dismissal {
  readonly stop: true;
  readonly graceMs?: number | undefined;
}
/** `ready`: it listens to us. Messages of prom-client go the same way and are none of these. */
type Report = { readonly ready: true } | { readonly lmtp: readonly string[] } | { readonly failed: string };

/** The primary process. Throws StartError when the first workers cannot start. */
export async function servePrimary(
  settings: Settings,
  log: Log,
  inherited: readonly number[],
  processes: number,
): Promise<Running> {
  const metrics = createClusterMetrics();
  const shared = await startShared(settings, log, metrics);
  let assignment: Assignment = { settings: shareOf(settings, processes), inherited };
  let phase: 'starting' | 'running' | 'stopping' = 'starting';
  let fail: (reason: string) => void = () => {};
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });
  const hire = async (): Promise<Report> => {
    const worker = cluster.fork();
    const hiredAt = performance.now();
    worker.on('error', (error) => log.fault('worker', error));
    worker.once('exit', (code, signal) => {
      if (phase !== 'running') return;
      log.warn('worker died, replacing it', { pid: worker.process.pid, code, signal });
      metrics.workerReplaced();
      // with the last worker Node closes the sockets we were given, and nobody can open them again
      if (inherited.length > 0 && livingWorkers().length === 0)
        fail('all workers died, and the inherited sockets with them');
      else setTimeout(replace, Math.max(0, SETTLED_MS - (performance.now() - hiredAt)));
    });
    const first = await nextReport(worker);
    if ('failed' in first) return first;
    if (phase === 'stopping') {
      worker.send({ stop: true } satisfies Dismissal); // it could not hear the first one yet
      return first;
    }
    worker.send(assignment);
    return nextReport(worker);
  };
  const replace = async (): Promise<void> => {
    if (phase !== 'running') return;
    // one that was never born does not exit, so its place is filled here
    const unborn = await hire().then(
      (report) => 'failed' in report && report.failed === UNBORN,
      () => true,
    );
    if (unborn) setTimeout(replace, SETTLED_MS);
  };
  const reload = (fresh: Settings) => {
    assignment = { settings: shareOf(fresh, processes), inherited };
    for (const worker of livingWorkers())
      if (worker.isConnected()) worker.send({ reload: assignment.settings } satisfies Reload);
  };
  const stop = async (graceMs?: number) => {
    phase = 'stopping';
    await Promise.all(livingWorkers().map((worker) => dismiss(worker, graceMs)));
    shared.stop();
  };
  const reports = await Promise.all(Array.from({ length: processes }, hire));
  const fault = reports.find((report) => 'failed' in report);
  if (fault !== undefined) {
    await stop(0);
    throw new StartError(fault.failed);
  }
  phase = 'running';
  // one may have died while the others were starting
  for (let missing = processes - livingWorkers().length; missing > 0; missing--) void replace();
  const lmtp = reports.flatMap((report) => ('lmtp' in report ? [report.lmtp] : []))[0] ?? [];
  return { lmtp, metrics: shared.metrics, failed, reload, noteReload: metrics.noteReload, stop };
}

function shareOf(settings: Settings, processes: number): Settings {
  const share = (all: number) => Math.min(all, Math.max(2 * Math.ceil(all / processes), LEAST_SHARE));
  const { max_connections, max_peer_connections, max_mailbox_deliveries } = settings.lmtp;
  const shares = {
    max_connections: share(max_connections),
    max_peer_connections: share(max_peer_connections),
    max_mailbox_deliveries: share(max_mailbox_deliveries),
  };
  return { ...settings, lmtp: { ...settings.lmtp, ...shares } };
}

function livingWorkers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter(
    (worker) => worker !== undefined && !worker.isDead(),
  ) as Worker[];
}

const UNBORN = 'a worker could not be started';

function nextReport(worker: Worker): Promise<Report> {
  return new Promise((resolve) => {
    const done = (report: Report) => {
      worker.off('message', take);
      worker.off('exit', gone);
      worker.off('error', unborn);
      resolve(report);
    };
    const take = (message: object) => {
      if ('ready' in message || 'lmtp' in message || 'failed' in message) done(message as Report);
    };
    const gone = () => done({ failed: 'a worker died while starting' });
    const unborn = () =>
      done({ failed: worker.process.pid === undefined ? UNBORN : 'a worker died while starting' });
    worker.on('message', take);
    worker.once('exit', gone);
    worker.once('error', unborn);
  });
}

async function dismiss(worker: Worker, graceMs = DRAIN_MS): Promise<void> {
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  if (worker.isConnected()) worker.send({ stop: true, graceMs } satisfies Dismissal);
  const late = setTimeout(() => worker.process.kill('SIGKILL'), graceMs + LINGER_MS);
  await gone;
  clearTimeout(late);
}

/** A worker process, until the primary says stop or is gone. */
export async function serveWorker(log: (settings: Settings) => Log): Promise<void> {
  // else Node ends the process as soon as the primary is gone, with deliveries in flight
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  const report = (what: Report) => process.send?.(what);
  const { assignment, reloaded, stopped } = listenToPrimary();
  report({ ready: true });
  const given = await Promise.race([assignment, stopped(() => Promise.resolve())]);
  if (given === undefined) return;
  const metrics = createMetrics();
  answerPrimary(metrics.registry);
  const own = log(given.settings);
  const starting = startDeliveries(given.settings, own, metrics, given.inherited);
  const deliveries = await starting.catch((error: Error) => {
    report({ failed: error.message });
    throw error;
  });
  reloaded((fresh) => {
    deliveries.reload(fresh);
    own.setLevel(fresh.log.level);
  });
  report({ lmtp: deliveries.lmtp });
  await stopped((graceMs) => deliveries.stop(graceMs));
}

/** Listens from the first moment on, since a message that comes too early is lost. */
function listenToPrimary() {
  let stop: ((graceMs: number | undefined) => void) | undefined;
  let early: { readonly graceMs: number | undefined } | undefined;
  let reload: ((settings: Settings) => void) | undefined;
  let newest: Settings | undefined;
  const take = (graceMs: number | undefined) => {
    early = { graceMs };
    stop?.(graceMs);
  };
  const assignment = new Promise<Assignment>((resolve) => {
    process.on('message', (message: Partial<Assignment & Reload & Dismissal>) => {
      if (message.settings !== undefined) resolve(message as Assignment);
      if (message.stop === true) take(message.graceMs);
      if (message.reload === undefined) return;
      newest = message.reload;
      reload?.(newest);
    });
  });
  process.once('disconnect', () => take(undefined));
  return {
    assignment,
    /** `act` is called for each reload, the last of those before this call included. */
    reloaded(act: (settings: Settings) => void) {
      reload = act;
      if (newest !== undefined) act(newest);
    },
    /** Resolves when `act` has, once told to stop; a second order, with less patience, cuts the first short. */
    stopped: (act: (graceMs: number | undefined) => Promise<void>) =>
      new Promise<undefined>((resolve, reject) => {
        stop = (graceMs) => void act(graceMs).then(() => resolve(undefined), reject);
        if (early !== undefined) stop(early.graceMs);
      }),
  };
}
