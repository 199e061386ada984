/**
 * A worker process as its primary sees it: orders go in, reports and its end come out. Knows nothing of
 * the other workers, nor whether it is to be replaced.
 */
import cluster, { type Worker } from 'node:cluster';
import { performance } from 'node:perf_hooks';
import type { Log } from '../edge/log.ts';
import { DRAIN_MS } from './lmtpservice.ts';
import { isReport, LOG_FD, type Order, type Report } from './messages.ts';

/** How much longer than its deliveries a worker may take to end, before it is killed. */
const LINGER_MS = 5000;
/** Of what Node says when a worker crashes, the part that is logged. */
const MOST_WORDS = 4000;

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** Instead of a report: it died, or the system could not start it, in which case it has no end either. */
export type NoReport = { readonly report: 'died' | 'unborn' };

export class HiredWorker {
  readonly #worker: Worker;
  readonly #hiredAt = performance.now();
  /** Resolves when the process has ended; never, if it could not be started. */
  readonly ended: Promise<WorkerEnd>;
  #hasEnded = false;

  /** Starts it. Errors on its channel, a failed start and all that Node itself says in it go to the log. */
  constructor(log: Log) {
    cluster.setupPrimary({ stdio: stdioOfWorkers() });
    this.#worker = cluster.fork();
    this.#worker.on('error', (error) => log.fault('worker', error));
    this.#worker.process.stderr?.on('data', (words: Buffer) => {
      const text = words.toString().slice(0, MOST_WORDS);
      log.error('worker says on standard error', { pid: this.pid, text });
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', (code, signal) => {
        this.#hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  get ageMs(): number {
    return performance.now() - this.#hiredAt;
  }

  /** Sends an order, unless the worker is gone. */
  send(order: Order): void {
    if (this.#worker.isConnected()) this.#worker.send(order);
  }

  /** Returns the next report, or says that there will be none. */
  nextReport(): Promise<Report | NoReport> {
    const worker = this.#worker;
    if (this.#hasEnded) return Promise.resolve({ report: 'died' });
    return new Promise((resolve) => {
      const done = (report: Report | NoReport) => {
        worker.off('message', take);
        worker.off('exit', gone);
        worker.off('error', failed);
        resolve(report);
      };
      const take = (message: unknown) => {
        if (isReport(message)) done(message);
      };
      const gone = () => done({ report: 'died' });
      const failed = () => done({ report: this.pid === undefined ? 'unborn' : 'died' });
      worker.on('message', take);
      worker.once('exit', gone);
      worker.once('error', failed);
    });
  }

  /** Tells it to stop and waits for its end, which comes by force if it takes too long. */
  async dismiss(graceMs = DRAIN_MS): Promise<void> {
    if (this.#hasEnded) return;
    this.send({ order: 'stop', graceMs });
    const late = setTimeout(() => this.#worker.process.kill('SIGKILL'), graceMs + LINGER_MS);
    await this.ended;
    clearTimeout(late);
  }
}

function stdioOfWorkers(): ('ignore' | 'pipe' | 'ipc' | number)[] {
  const stdio: ('ignore' | 'pipe' | 'ipc' | number)[] = ['ignore', 'ignore', 'pipe', 'ipc'];
  stdio[LOG_FD] = 2;
  return stdio;
}
