/**
 * Several processes on one set of sockets (node:cluster): the primary listens, hands out the
 * connections one worker after the other, sweeps, and serves the sum of the metrics; workers deliver.
 * A worker that dies is replaced; what it had not answered with 250 its clients send again.
 */
import type { Settings } from '../config/settings.ts';
import type { Log } from '../edge/log.ts';
import { type ClusterMetrics, createClusterMetrics } from '../edge/metrics.ts';
import { HiredWorker, type NoReport, type WorkerEnd } from './hiredworker.ts';
import type { Report } from './messages.ts';
import type { Running } from './serve.ts';
import { startShared } from './shared.ts';
import { StartError } from './starterror.ts';

/** A worker that lived for less is replaced only after this long: a fault at start must not spin. */
const SETTLED_MS = 2000;
/** Connections are dealt out evenly but do not end evenly: no worker's share is smaller than this. */
const LEAST_SHARE = 16;

/** Runs the primary process. Throws StartError when the first workers cannot start. */
export async function servePrimary(
  settings: Settings,
  log: Log,
  inherited: readonly number[],
  processes: number,
): Promise<Running> {
  const metrics = createClusterMetrics();
  const shared = await startShared(settings, log, metrics);
  const workforce = new Workforce({ settings, log, inherited, processes, metrics });
  const stop = async (graceMs?: number) => {
    await workforce.stop(graceMs);
    shared.stop();
  };
  const lmtp = await workforce.start().catch(async (error: unknown) => {
    await stop(0);
    throw error;
  });
  return {
    lmtp,
    metrics: shared.metrics,
    failed: workforce.failed,
    reload: (fresh) => workforce.reload(fresh),
    noteReload: metrics.noteReload,
    stop,
  };
}

interface WorkforceParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly inherited: readonly number[];
  readonly processes: number;
  readonly metrics: ClusterMetrics;
}

/** Keeps as many workers alive as there should be, from `start` to `stop`. */
class Workforce {
  readonly #parts: WorkforceParts;
  readonly #workers = new Set<HiredWorker>();
  #phase: 'starting' | 'running' | 'stopping' = 'starting';
  #settings: Settings;
  /** Resolves, with a sentence, when no worker is left and none can be had. */
  readonly failed: Promise<string>;
  #fail: (reason: string) => void = () => {};

  constructor(parts: WorkforceParts) {
    this.#parts = parts;
    this.#settings = shareOf(parts.settings, parts.processes);
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** Starts the first workers. Returns what they listen on; throws StartError when one cannot start. */
  async start(): Promise<readonly string[]> {
    const { processes } = this.#parts;
    const reports = await Promise.all(Array.from({ length: processes }, () => this.#hire()));
    const reason = reports.map(faultOf).find((fault) => fault !== undefined);
    if (reason !== undefined) throw new StartError(reason);
    this.#phase = 'running';
    // one may have died while the others were starting
    for (let missing = processes - this.#workers.size; missing > 0; missing--) void this.#replace();
    return reports.flatMap((report) => (report.report === 'serving' ? [report.lmtp] : []))[0] ?? [];
  }

  reload(fresh: Settings): void {
    this.#settings = shareOf(fresh, this.#parts.processes);
    for (const worker of this.#workers) worker.send({ order: 'reload', settings: this.#settings });
  }

  async stop(graceMs?: number): Promise<void> {
    this.#phase = 'stopping';
    await Promise.all([...this.#workers].map((worker) => worker.dismiss(graceMs)));
  }

  /** Starts a worker and sees it through to its first deliveries, or tells why it got no further. */
  async #hire(): Promise<Report | NoReport> {
    const { log, inherited } = this.#parts;
    const worker = new HiredWorker(log);
    this.#workers.add(worker);
    void worker.ended.then((end) => this.#ended(worker, end));
    const first = await worker.nextReport();
    if (first.report === 'unborn') this.#workers.delete(worker);
    if (first.report !== 'ready') return first;
    if (this.#phase === 'stopping') {
      worker.send({ order: 'stop' }); // it could not hear the first one yet
      return first;
    }
    worker.send({ order: 'start', settings: this.#settings, inherited });
    return worker.nextReport();
  }

  #ended(worker: HiredWorker, { code, signal }: WorkerEnd): void {
    this.#workers.delete(worker);
    if (this.#phase !== 'running') return;
    const { log, metrics, inherited } = this.#parts;
    log.warn('worker died, replacing it', { pid: worker.pid, code, signal });
    metrics.workerReplaced();
    // with the last worker Node closes the sockets we were given, and nobody can open them again
    if (inherited.length > 0 && this.#workers.size === 0)
      this.#fail('all workers died, and the inherited sockets with them');
    else setTimeout(() => this.#replace(), Math.max(0, SETTLED_MS - worker.ageMs));
  }

  async #replace(): Promise<void> {
    if (this.#phase !== 'running') return;
    const { report } = await this.#hire();
    // a worker that was never born has no end either, so its place is filled here
    if (report === 'unborn') setTimeout(() => this.#replace(), SETTLED_MS);
  }
}

function faultOf(report: Report | NoReport): string | undefined {
  switch (report.report) {
    case 'failed':
      return report.reason;
    case 'died':
      return 'a worker died while starting';
    case 'unborn':
      return 'a worker could not be started';
    case 'ready':
    case 'serving':
      return undefined;
    default:
      return report satisfies never;
  }
}

/** The limits that count for the whole server, as one of its workers has to keep them. */
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
