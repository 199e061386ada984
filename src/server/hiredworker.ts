/**
 * A worker process as its primary sees it: orders go in; reports, figures and its end come out. Knows nothing
 * of the other workers, nor whether it is to be replaced.
 */
import cluster, { type Worker } from 'node:cluster';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { within } from '../core/deadline.ts';
import type { Opening } from '../core/listener.ts';
import type { OnUsed } from '../core/usedkeys.ts';
import type { Log } from '../edge/log.ts';
import type { Figures } from '../edge/metrics.ts';
import type { Row } from '../tlsreport/counts.ts';
import { DRAIN_MS } from './lmtpservice.ts';
import { isReport, LOG_FD, type Order, type Report } from './messages.ts';

/** How much longer than its deliveries a worker may take to end, before it is killed. */
const LINGER_MS = 5000;
/** How much is logged of what Node says when a worker crashes. */
const MOST_WORDS = 4000;
/** How long what it said is waited for after its end. */
const HEAR_MS = 1000;

/** How far a worker has come. It died, or the system could not start it, and then it has no end either. */
export type Progress =
  | Exclude<Report, { report: 'figures' | 'taken' | 'missed' | 'key' | 'received' }>
  | { readonly report: 'died' }
  | { readonly report: 'unborn' };

/** Who is told of what its deliveries met. */
export interface Listeners {
  readonly onUsed: OnUsed;
  onReceived(rows: readonly Row[]): void;
}

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export class HiredWorker {
  readonly #worker: Worker;
  readonly #hiredAt = performance.now();
  /** Resolves when the process has ended; never, if it could not be started. */
  readonly ended: Promise<WorkerEnd>;
  #hasEnded = false;
  #last: Progress | undefined;
  #progressed: (progress: Progress) => void = () => {};
  #figures: Figures = [];
  #question: Promise<void> | undefined;
  #answered: () => void = () => {};
  #took: (isTaken: boolean) => void = () => {};

  readonly #listeners: Listeners;
  /** Resolves when all that it said before its end has been heard. */
  readonly #heard: Promise<void>;
  #heardAll: () => void = () => {};

  /** Starts it. Errors on its channel, a failed start and all that Node itself says in it go to the log. */
  constructor(log: Log, listeners: Listeners) {
    this.#listeners = listeners;
    this.#heard = new Promise((resolve) => {
      this.#heardAll = resolve;
    });
    cluster.setupPrimary({ stdio: stdioOfWorkers() });
    const worker = cluster.fork();
    this.#worker = worker;
    this.ended = new Promise((resolve) => {
      worker.once('exit', (code, signal) => {
        this.#end();
        this.#hearLastWords();
        resolve({ code, signal });
      });
    });
    worker.on('message', (message) => {
      if (isReport(message)) this.#hear(message);
    });
    worker.on('error', (error) => {
      log.fault('worker', error);
      if (this.pid === undefined) this.#progress({ report: 'unborn' });
    });
    worker.process.stderr?.on('data', (words: Buffer) => {
      const text = words.toString().slice(0, MOST_WORDS);
      log.error('worker says on standard error', { pid: this.pid, text });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  get ageMs(): number {
    return performance.now() - this.#hiredAt;
  }

  /** How far it has come; undefined before its first report. */
  get last(): Progress | undefined {
    return this.#last;
  }

  /** The last figures it told. */
  get figures(): Figures {
    return this.#figures;
  }

  /** Whether a question for its figures is without an answer. */
  get isSilent(): boolean {
    return this.#question !== undefined;
  }

  get isReachable(): boolean {
    return this.#worker.isConnected();
  }

  /** Sends an order, unless the worker is gone. */
  send(order: Order): void {
    if (this.isReachable) this.#worker.send(order);
  }

  /**
   * Hands over a connection, one at a time. Resolves to false if the worker is gone and never took it, or had
   * no descriptor for it: then the client has not been greeted. The socket stays open on this side either
   * way.
   */
  take(socket: Socket, opening: Opening): Promise<boolean> {
    if (!this.isReachable) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#took = resolve;
      const order = { order: 'connection', opening } satisfies Order;
      this.#worker.send(order, socket, { keepOpen: true }, (error) => {
        if (error !== null) resolve(false);
      });
      this.send({ order: 'confirm' });
    });
  }

  /** Waits until it has come further. */
  nextProgress(): Promise<Progress> {
    if (this.#hasEnded) return Promise.resolve({ report: 'died' });
    return new Promise((resolve) => {
      this.#progressed = resolve;
    });
  }

  /**
   * Asks for its figures and waits for them, or for its end. Waits for the answer to an earlier question, if
   * that is open: questions must not pile up for a worker that is stopped.
   */
  ask(): Promise<void> {
    if (this.#question === undefined) {
      this.#question = new Promise((resolve) => {
        this.#answered = resolve;
      });
      this.send({ order: 'tell' });
    }
    return this.#question;
  }

  /** Tells it to stop and waits for its end, which comes by force if it takes too long. */
  async dismiss(graceMs = DRAIN_MS): Promise<void> {
    if (this.#hasEnded) return;
    this.send({ order: 'stop', graceMs });
    const late = setTimeout(() => this.#worker.process.kill('SIGKILL'), graceMs + LINGER_MS);
    await this.ended;
    clearTimeout(late);
    await within(this.#heard, HEAR_MS);
  }

  #hear(report: Report): void {
    if (report.report === 'taken') return this.#took(true);
    if (report.report === 'missed') return this.#took(false);
    if (report.report === 'key') {
      const { file, bytes, at } = report;
      return this.#listeners.onUsed({ file, bytes: Buffer.from(bytes, 'base64'), at });
    }
    if (report.report === 'received') return this.#listeners.onReceived(report.rows);
    if (this.#hasEnded) return;
    if (report.report !== 'figures') return this.#progress(report);
    this.#figures = report.figures;
    this.#question = undefined;
    this.#answered();
  }

  #progress(progress: Progress): void {
    this.#last = progress;
    this.#progressed(progress);
  }

  /**
   * The end of a process may be known before all that it said is read. Node has no event for the end of its
   * channel while a connection is on its way.
   */
  #hearLastWords(): void {
    if (this.isReachable) setImmediate(() => this.#hearLastWords());
    else {
      this.#took(false);
      this.#heardAll();
    }
  }

  #end(): void {
    this.#hasEnded = true;
    this.#progressed({ report: 'died' });
    this.#question = undefined;
    this.#answered();
  }
}

function stdioOfWorkers(): ('ignore' | 'pipe' | 'ipc' | number)[] {
  const stdio: ('ignore' | 'pipe' | 'ipc' | number)[] = ['ignore', 'ignore', 'pipe', 'ipc'];
  stdio[LOG_FD] = 2;
  return stdio;
}
