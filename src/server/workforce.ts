/**
 * Keeps as many workers alive as there should be, and sums up their figures. A worker that dies is replaced,
 * while the server starts too.
 */
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import type { TlsMaterial } from '../core/tls.ts';
import { ClusterMetrics } from '../edge/clustermetrics.ts';
import type { Log } from '../edge/log.ts';
import type { MetricsSource } from '../edge/metricsserver.ts';
import type { Dealer } from './dealer.ts';
import { HiredWorker, type Listeners, type Progress, type WorkerEnd } from './hiredworker.ts';

/** A worker that lived for less is replaced only after this long: a fault at start must not spin. */
const SETTLED_MS = 2000;
/** How long /metrics waits for the workers. */
const ANSWER_MS = 800;
/** How long one may take that is busy, but well. */
const WELL_MS = 10_000;
/** Connections are dealt out evenly but do not end evenly: no worker's share is smaller than this. */
const LEAST_SHARE = 16;

export interface WorkforceParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly processes: number;
  /** Is told of the workers that serve. */
  readonly dealer: Dealer;
  readonly listeners: Listeners;
}

export class Workforce implements MetricsSource {
  readonly #parts: WorkforceParts;
  readonly #workers = new Set<HiredWorker>();
  readonly #metrics: ClusterMetrics;
  #phase: 'starting' | 'running' | 'stopping' = 'starting';
  #settings: Settings;
  #state: string | undefined;
  #tls: TlsMaterial | undefined;
  /** Resolves when a worker serves. */
  readonly #firstServing: Promise<void>;
  #served: () => void = () => {};

  constructor(parts: WorkforceParts) {
    this.#parts = parts;
    this.#settings = shareOf(parts.settings, parts.processes);
    this.#metrics = new ClusterMetrics(() => parts.log.lostLines);
    this.#firstServing = new Promise((resolve) => {
      this.#served = resolve;
    });
  }

  /**
   * Starts the first workers and waits until they serve, or at least one of them while those that died are
   * being replaced. `state` is the state directory, if it is the server's own.
   */
  async start(state: string | undefined): Promise<void> {
    this.#state = state;
    await Promise.all(Array.from({ length: this.#parts.processes }, () => this.#fill()));
    await this.#firstServing;
    if (this.#phase === 'starting') this.#phase = 'running';
  }

  reload(fresh: Settings): void {
    this.#settings = shareOf(fresh, this.#parts.processes);
    for (const worker of this.#workers) worker.send({ order: 'reload', settings: this.#settings });
  }

  /** Shows these certificates to connections from now on. */
  secure(tls: TlsMaterial | undefined): void {
    this.#tls = tls;
    for (const worker of this.#workers) worker.send({ order: 'certificates', tls });
  }

  async stop(graceMs?: number): Promise<void> {
    this.#phase = 'stopping';
    await Promise.all([...this.#workers].map((worker) => worker.dismiss(graceMs)));
  }

  get noteReload(): ClusterMetrics['noteReload'] {
    return this.#metrics.noteReload;
  }

  get noteKeys(): ClusterMetrics['noteKeys'] {
    return this.#metrics.noteKeys;
  }

  get noteFolders(): ClusterMetrics['noteFolders'] {
    return this.#metrics.noteFolders;
  }

  get noteExpiries(): ClusterMetrics['noteExpiries'] {
    return this.#metrics.noteExpiries;
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

  /** Resolves to whether a worker answers, which it may do late. */
  async isWell(): Promise<boolean> {
    const answers = this.#serving().map((worker) => worker.ask().then(() => true));
    return (await within(Promise.race(answers), WELL_MS)) === true;
  }

  /** Hires a worker for a place that is empty. If it dies, #ended fills the place again. */
  async #fill(): Promise<void> {
    if (this.#phase === 'stopping') return;
    const worker = new HiredWorker(this.#parts.log, this.#parts.listeners);
    const progress = await this.#hire(worker);
    if (progress.report === 'serving') {
      this.#parts.dealer.join(worker);
      this.#served();
    }
    if (progress.report === 'unborn') {
      this.#workers.delete(worker);
      setTimeout(() => this.#fill(), SETTLED_MS); // a worker that was never born has no end
    }
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
    worker.send({
      order: 'start',
      settings: this.#settings,
      state: this.#state,
      log: this.#parts.log.setup,
      tls: this.#tls,
    });
    return worker.nextProgress();
  }

  #ended(worker: HiredWorker, { code, signal }: WorkerEnd): void {
    this.#workers.delete(worker);
    this.#metrics.keep(worker.figures);
    if (this.#phase === 'stopping') return;
    this.#parts.log.warn('worker died, replacing it', { pid: worker.pid, code, signal });
    this.#metrics.workerReplaced();
    setTimeout(() => this.#fill(), Math.max(0, SETTLED_MS - worker.ageMs));
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
