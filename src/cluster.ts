/**
 * Several processes on one set of sockets (node:cluster): the primary listens, hands out
 * connections in turn, sweeps and serves the sum of the metrics; workers deliver. A worker
 * that dies is replaced; what it had not answered with 250 its clients send again.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Settings } from './config/settings.ts';
import type { Log } from './edge/log.ts';
import { answerPrimary, createClusterMetrics, createMetrics } from './edge/metrics.ts';
import { type Running, StartError, startDelivery, startShared } from './serve.ts';

/** A worker that lives for less is replaced only after this long: a fault at start must not spin. */
const SETTLED_MS = 2000;

interface Assignment {
  readonly settings: Settings;
  readonly inherited: readonly number[];
}
interface Dismissal {
  readonly stop: true;
  readonly graceMs?: number | undefined;
}
type Report = { readonly lmtp: readonly string[] } | { readonly failed: string };

/** The primary process. Throws StartError when the first workers cannot start. */
export async function servePrimary(
  settings: Settings,
  log: Log,
  inherited: readonly number[],
  processes: number,
): Promise<Running> {
  const metrics = createClusterMetrics();
  const shared = await startShared(settings, log, metrics);
  const own = {
    ...settings,
    lmtp: { ...settings.lmtp, max_connections: Math.ceil(settings.lmtp.max_connections / processes) },
  };
  let isStopping = false;
  const hire = async (): Promise<Report> => {
    const worker = cluster.fork();
    const hiredAt = Date.now();
    worker.on('error', (error) => log.fault('worker', error));
    worker.once('exit', (code, signal) => {
      if (isStopping) return;
      log.warn('worker died, replacing it', { pid: worker.process.pid, code, signal });
      metrics.workerReplaced();
      setTimeout(() => isStopping || hire(), Math.max(0, SETTLED_MS - (Date.now() - hiredAt)));
    });
    // sent only when it listens: a message that comes too early is lost
    const ready = await nextReport(worker);
    if ('failed' in ready) return ready;
    worker.send({ settings: own, inherited } satisfies Assignment);
    return nextReport(worker);
  };
  const stop = async (graceMs?: number) => {
    isStopping = true;
    await Promise.all(
      Object.values(cluster.workers ?? {}).map((worker) => worker && dismiss(worker, graceMs)),
    );
    shared.stop();
  };
  const reports = await Promise.all(Array.from({ length: processes }, hire));
  const failed = reports.find((report) => 'failed' in report);
  if (failed !== undefined) {
    await stop(0);
    throw new StartError(failed.failed);
  }
  const [first] = reports;
  return { lmtp: first !== undefined && 'lmtp' in first ? first.lmtp : [], metrics: shared.metrics, stop };
}

async function nextReport(worker: Worker): Promise<Report> {
  const [report] = await Promise.race([
    once(worker, 'message'),
    once(worker, 'exit').then(() => [{ failed: 'a worker died while starting' }]),
  ]);
  return report as Report;
}

async function dismiss(worker: Worker, graceMs: number | undefined): Promise<void> {
  if (worker.isDead()) return;
  const gone = once(worker, 'exit');
  worker.send({ stop: true, graceMs } satisfies Dismissal);
  await gone;
}

/** A worker process, until the primary says stop or is gone. */
export async function serveWorker(log: (settings: Settings) => Log): Promise<void> {
  const assignment = once(process, 'message') as Promise<[Assignment]>;
  process.send?.({ lmtp: [] } satisfies Report);
  const [{ settings, inherited }] = await assignment;
  const metrics = createMetrics();
  answerPrimary(metrics.registry);
  const report = (what: Report) => process.send?.(what);
  const delivery = await startDelivery(settings, log(settings), metrics, inherited).catch((error: Error) => {
    report({ failed: error.message });
    throw error;
  });
  report({ lmtp: delivery.lmtp });
  await new Promise<void>((resolve, reject) => {
    // a second one, with less patience, cuts the first short; other messages are prom-client's
    process.on('message', (message: Partial<Dismissal>) => {
      if (message.stop === true) delivery.stop(message.graceMs).then(resolve, reject);
    });
    // without its primary a worker gets no connections any more: finish and go
    process.once('disconnect', () => delivery.stop().then(resolve, reject));
  });
}
