/**
 * The series of a server of several processes: the sum over its workers and the primary's own. A count never
 * falls: those of a worker that has ended stay in the sum. Knows nothing of how the figures of a worker come
 * here.
 */
import { AggregatorRegistry, Counter, Registry } from 'prom-client';
import { type Figures, gauge, LOST_LINES, watchProcess } from './metrics.ts';
import {
  type KeyNumbers,
  type ReloadResult,
  watchBuild,
  watchCertificates,
  watchFolders,
  watchKeys,
  watchReloads,
} from './servermetrics.ts';

export class ClusterMetrics {
  /** The primary's own series. */
  readonly registry = new Registry();
  readonly contentType = this.registry.contentType;
  /** Call after each reload. */
  readonly noteReload: (result: ReloadResult) => void;
  /** Call whenever something about the keys has changed. */
  readonly noteKeys: (keys: KeyNumbers) => void;
  /** Call with what became of messages in folders. */
  readonly noteFolders: ReturnType<typeof watchFolders>;
  /** Call with what is shown to clients. */
  readonly noteExpiries: ReturnType<typeof watchCertificates>;
  readonly #replaced: Counter;
  #departed: Figures = [];
  #silent = 0;

  /** `lostLines`: of the primary's own log, so far. */
  constructor(lostLines: () => number) {
    const registers = [this.registry];
    watchProcess(this.registry);
    watchBuild(this.registry);
    this.#replaced = new Counter({
      name: 'sealdir_workers_replaced_total',
      help: 'Worker processes that died and were replaced (with several processes)',
      registers,
    });
    gauge(this.registry, SILENT, () => this.#silent);
    gauge(this.registry, LOST_LINES, lostLines);
    this.noteReload = watchReloads(this.registry);
    this.noteKeys = watchKeys(this.registry);
    this.noteFolders = watchFolders(this.registry);
    this.noteExpiries = watchCertificates(this.registry);
  }

  workerReplaced(): void {
    this.#replaced.inc();
  }

  /** Keeps the counts of a worker that has ended. `figures`: the last that were known. */
  keep(figures: Figures): void {
    const counts = figures.filter(({ type, name }) => String(type) !== 'gauge' || name === LOST_LINES.name);
    this.#departed = sum([this.#departed, counts]).getMetricsAsArray() as Figures;
  }

  /** Returns the text of all series. `silent`: how many of the workers' figures are not of now. */
  async text(workers: readonly Figures[], silent: number): Promise<string> {
    this.#silent = silent;
    const own = await this.registry.getMetricsAsJSON();
    return sum([own, ...workers, this.#departed]).metrics();
  }
}

const SILENT = {
  name: 'sealdir_workers_silent',
  help: 'Workers that did not answer in time when asked for their figures; the last they gave are in the sums',
};

function sum(figures: readonly Figures[]): Registry {
  return AggregatorRegistry.aggregate([...figures]);
}
