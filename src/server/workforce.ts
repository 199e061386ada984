/**
 * Keeps as many workers alive as there should be, and sums up their figures. A worker that dies is replaced,
 * while the server starts too; only one that reports a fault which the operator has to mend ends a start.
 */
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import { ClusterMetrics } from '../edge/clustermetrics.ts';
import type { Log } from '../edge/log.ts';
import type { MetricsSource } from '../edge/metricsserver.ts';
import { HiredWorker, type Progress, type WorkerEnd } from './hiredworker.ts';
import { StartError } from './starterror.ts';

/** A worker that lived for less is replaced only after this long: a fault at start must not spin. */
const SETTLED_MS = 2000;
/** How long /metrics waits for the workers. */
const ANSWER_MS = 800;
/** Connections are dealt out evenly but do not end evenly: no worker's share is smaller than this. */
const LEAST_SHARE = 16;

export interface WorkforceParts {
  readonly settings: Settings;
  readonly log: Log;
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly number[];
  readonly processes: number;
}

export class Workforce implements MetricsSource {
  readonly #parts: WorkforceParts;
  readonly #workers = new Set<HiredWorker>();
  readonly #metrics: ClusterMetrics;
  #phase: 'starting' | 'running' | 'stopping' = 'starting';
  #settings: Settings;
  #state: string | undefined;
  /** What the first worker that serves listens on; rejects, if none ever will. */
  readonly #firstServing: Promise<readonly string[]>;
  #served: (lmtp: readonly string[]) => void = () => {};
  #refuse: (error: Error) => void = () => {};
  /** Resolves, with a sentence, when no worker is left and none can be had. */
  readonly failed: Promise<string>;
  #fail: (reason: string) => void = () => {};

  constructor(parts: WorkforceParts) {
    this.#parts = parts;
    this.#settings = shareOf(parts.settings, parts.processes);
    this.#metrics = new ClusterMetrics(() => parts.log.lostLines);
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#firstServing = new Promise((resolve, reject) => {
      this.#served = resolve;
      this.#refuse = reject;
    });
    this.#firstServing.catch(() => undefined); // told by start()
  }

  /**
   * Starts the first workers and waits until they serve, or at least one of them while those that died are
   * being replaced. `state` is the state directory, if it is the server's own. Returns what they listen on.
   * Throws StartError when one cannot start.
   */
  async start(state: string | undefined): Promise<readonly string[]> {
    this.#state = state;
    const places = Array.from({ length: this.#parts.processes }, () => this.#fill());
    for (const progress of await Promise.all(places))
      if (progress.report === 'failed') throw new StartError(progress.reason);
    const lmtp = await this.#firstServing;
    if (this.#phase === 'starting') this.#phase = 'running';
    return lmtp;
  }

  reload(fresh: Settings): void {
    this.#settings = shareOf(fresh, this.#parts.processes);
    for (const worker of this.#workers) worker.send({ order: 'reload', settings: this.#settings });
  }

  async stop(graceMs?: number): Promise<void> {
    this.#phase = 'stopping';
    await Promise.all([...this.#workers].map((worker) => worker.dismiss(graceMs)));
  }

  get noteReload(): ClusterMetrics['noteReload'] {
    return this.#metrics.noteReload;
  }

  get contentType(): string {
    return this.#metrics.contentType;
  }

  /** Asks all workers for their figures. One that does not answer in time counts with the last it told. */
  async text(): Promise<string> {
    const serving = this.#serving();
    await within(Promise.all(serving.map((worker) => worker.ask())), ANSWER_MS);
    const figures = [...this.#workers].map((worker) => worker.figures);
    return this.#metrics.text(figures, serving.filter((worker) => worker.isSilent).length);
  }

  /** Hires a worker for a place that is empty. If it dies, #ended fills the place again. */
  async #fill(): Promise<Progress> {
    if (this.#phase === 'stopping') return { report: 'died' };
    const worker = new HiredWorker(this.#parts.log);
    const progress = await this.#hire(worker);
    if (progress.report === 'serving') this.#served(progress.lmtp);
    if (progress.report === 'failed') {
      this.#parts.log.error('worker cannot start', { pid: worker.pid, reason: progress.reason });
      this.#refuse(new StartError(progress.reason));
    }
    if (progress.report === 'unborn') {
      this.#workers.delete(worker);
      setTimeout(() => this.#fill(), SETTLED_MS); // a worker that was never born has no end
    }
    return progress;
  }

  /** Sees a new worker through to its first deliveries. Returns how far it has come. */
  async #hire(worker: HiredWorker): Promise<Progress> {
    this.#workers.add(worker);
    void worker.ended.then((end) => this.#ended(worker, end));
    const first = await worker.nextProgress();
    if (first.report !== 'ready') return first;
    if (this.#phase === 'stopping') {
      worker.send({ order: 'stop' }); // it could not hear the first one yet
      return first;
    }
    const { inherited } = this.#parts;
    worker.send({ order: 'start', settings: this.#settings, inherited, state: this.#state });
    return worker.nextProgress();
  }

  #ended(worker: HiredWorker, { code, signal }: WorkerEnd): void {
    this.#workers.delete(worker);
    this.#metrics.keep(worker.figures);
    if (this.#phase === 'stopping' || (this.#phase === 'starting' && worker.last?.report === 'failed'))
      return;
    const { log, inherited } = this.#parts;
    log.warn('worker died, replacing it', { pid: worker.pid, code, signal });
    this.#metrics.workerReplaced();
    // with the last of those that listen Node closes the sockets we were given, and nobody can open them
    // again
    if (inherited.length > 0 && isServing(worker) && !this.#serving().length)
      this.#fail('all workers died, and the inherited sockets with them');
    else setTimeout(() => this.#fill(), Math.max(0, SETTLED_MS - worker.ageMs));
  }

  #serving(): HiredWorker[] {
    return [...this.#workers].filter(isServing);
  }
}

function isServing(worker: HiredWorker): boolean {
  return worker.last?.report === 'serving';
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
