/**
 * Deliveries that wait for a disk thread. All that arrive while it is busy form the next batch: under
 * load batches grow and cost less per message.
 *
 * A batch is of one file system, and no file system gets all threads (batchpace.ts): one that hangs
 * holds up nothing but its own mail.
 */
import type { World } from '../core/world.ts';
import type { Answer, Job } from './batch.ts';
import { type BatchPace, HUNG_BATCHES, LATE_MS } from './batchpace.ts';
import { type BatchThread, SLOT_BYTES } from './thread.ts';

/** Threads whose batch is late are not counted, since a hung file system may keep them. */
const MAX_THREADS = 16;
/** With those that ten hung file systems keep, and no more, since a thread takes 8 MB. */
const MAX_THREADS_IN_ALL = MAX_THREADS + 10 * HUNG_BATCHES;
/** Most files in a batch: all stay open at once, and none is answered before the last is done. */
const MAX_JOBS = 16;
/** Threads beyond the first end when they had nothing to do for this long. A new one has to compile all. */
const IDLE_MS = 60_000;

export interface QueueOptions {
  readonly world: Pick<World, 'micros'>;
  /**
   * Begins a thread, or throws. `changed` is to be called when it can be given work, and when it has ended.
   */
  beginThread(changed: () => void): BatchThread;
}

/** Where a job goes: the pace is that of a file system. */
export interface Paced {
  readonly batches: BatchPace;
}

interface QueuedJob {
  readonly job: Job;
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
  readonly pace: BatchPace;
  isWanted(): boolean;
  resolve(fsyncMs: number): void;
  reject(error: Error): void;
}

export class DiskQueue {
  readonly #options: QueueOptions;
  #queued: QueuedJob[] = [];
  #threads: BatchThread[] = [];
  #isClosed = false;
  #dispatching: NodeJS.Immediate | undefined;
  #looking: NodeJS.Timeout | undefined;
  #shrinking: NodeJS.Timeout | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Begins a first thread, so that the first delivery need not wait for one. */
  start(): void {
    if (this.#threads.length === 0) this.#begin();
  }

  /** Fails all that is queued. A thread at work ends with the process, which waits for its batch. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#looking);
    clearTimeout(this.#shrinking);
    this.#failQueued(new Error('the disk is closed'));
    for (const thread of this.#threads) if (thread.state !== 'busy') thread.end();
  }

  /** If no thread can be started, the existing ones carry on; if there are none, everything queued fails. */
  #begin(): void {
    try {
      this.#threads.push(this.#options.beginThread(() => this.#dispatchSoon()));
    } catch (error) {
      if (this.#threads.length === 0) this.#failQueued(error as Error);
    }
  }

  #failQueued(error: Error): void {
    const queued = this.#queued;
    this.#queued = [];
    for (const { reject } of queued) reject(error);
  }

  /** `pieces` are kept until the job is over. Resolves to what `deliverAll` answers. */
  submit(
    job: Job,
    { batches: pace }: Paced,
    isWanted: () => boolean,
    pieces: readonly Buffer[] = [],
  ): Promise<number> {
    const bytes = 'bytes' in job ? job.bytes : 0;
    if (bytes > SLOT_BYTES) throw new RangeError('too much for one go');
    if (this.#isClosed) throw new Error('the disk is closed');
    if (pace.isStuck) throw new Error('the file system does not answer');
    return new Promise((resolve, reject) => {
      this.#queued.push({ job, pieces, bytes, pace, isWanted, resolve, reject });
      this.#dispatchSoon();
    });
  }

  /** Dispatches at the end of this turn of the event loop, with all that comes in it. */
  #dispatchSoon(): void {
    this.#dispatching ??= setImmediate(() => this.#dispatch());
  }

  #dispatch(): void {
    this.#dispatching = undefined;
    if (this.#isClosed) return;
    this.#tidy();
    const idle = this.#threads.filter(({ state }) => state === 'idle');
    if (this.#countWanted() > idle.length) this.#beginAnother();
    for (const [n, thread] of idle.entries()) {
      const batch = this.#takeBatch(idle.length - n);
      if (batch.length > 0) this.#run(thread, batch);
    }
    if (this.#queued.length > 0) this.#lookAgain();
    if (this.#threads.length > 1) this.#shrinkSoon();
  }

  /**
   * Fails abandoned jobs, forgets threads that have ended, and begins a new one where there is work and none
   * is left.
   */
  #tidy(): void {
    const wanted = new Set(this.#queued.filter(({ isWanted }) => isWanted()));
    for (const queued of this.#queued) if (!wanted.has(queued)) queued.reject(new Error('given up'));
    this.#queued = [...wanted];
    const failedToStart = this.#threads.find(({ failure }) => failure !== undefined);
    this.#threads = this.#threads.filter(({ state }) => state !== 'gone');
    if (this.#threads.length > 0 || this.#queued.length === 0) return;
    // where one could not begin, trying again at once would go in a circle; the clients will try again
    if (failedToStart?.failure === undefined) this.#begin();
    else this.#failQueued(failedToStart.failure);
  }

  /** Returns how many threads could be given a batch now. */
  #countWanted(): number {
    const ready = this.#queued.filter(({ pace }) => pace.room > 0);
    const paces = new Set(ready.map(({ pace }) => pace));
    return Math.min(
      ready.length,
      [...paces].reduce((sum, { room }) => sum + room, 0),
    );
  }

  /** Begins one thread at a time, and not too many in all. */
  #beginAnother(): void {
    const isBeginning = this.#threads.some(({ state }) => state === 'beginning');
    if (isBeginning || this.#threads.length >= MAX_THREADS_IN_ALL) return;
    if (this.#countInTime() < MAX_THREADS) this.#begin();
  }

  /** Leaves out the threads whose batch is late: nobody else can reckon with them. */
  #countInTime(): number {
    const lateSince = this.#now() - LATE_MS;
    return this.#threads.filter(({ state, since }) => state !== 'busy' || since > lateSince).length;
  }

  /** Takes the first job that may go, and its part of the jobs queued after it for the same file system. */
  #takeBatch(idleThreads: number): QueuedJob[] {
    const first = this.#queued.find(({ pace }) => pace.room > 0);
    if (first === undefined) return [];
    const same = this.#queued.filter(({ pace }) => pace === first.pace);
    const parts = Math.min(idleThreads, first.pace.room);
    const most = Math.min(Math.ceil(same.length / parts), MAX_JOBS, first.pace.next.maxJobs);
    const batch = new Set<QueuedJob>();
    let bytes = 0;
    for (const queued of same.slice(0, most)) {
      bytes += queued.bytes;
      if (bytes > SLOT_BYTES) break;
      batch.add(queued);
    }
    this.#queued = this.#queued.filter((queued) => !batch.has(queued));
    return [...batch];
  }

  async #run(thread: BatchThread, batch: readonly QueuedJob[]): Promise<void> {
    const pace = batch[0]?.pace;
    if (pace === undefined) return;
    const { syncsAtOnce } = pace.next;
    const begun = pace.begin();
    const order = { jobs: batch.map(({ job }) => job), syncsAtOnce };
    const pieces = batch.flatMap((queued) => queued.pieces);
    const done = await thread.perform(order, pieces).catch((error: Error) => error);
    pace.end(begun, done instanceof Error ? undefined : done.fsyncMs);
    this.#dispatchSoon();
    for (const [n, queued] of batch.entries()) settle(queued, done instanceof Error ? done : done.answers[n]);
  }

  /** Dispatches again when the batches under way may have become late. */
  #lookAgain(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined;
      // not right now: if this process itself was held up, the answers that have arrived come first
      this.#dispatchSoon();
    }, LATE_MS);
  }

  #shrinkSoon(): void {
    this.#shrinking ??= setTimeout(() => this.#shrink(), IDLE_MS).unref();
  }

  #shrink(): void {
    this.#shrinking = undefined;
    const idleSince = this.#now() - IDLE_MS;
    const isSpare = (thread: BatchThread, n: number) =>
      n > 0 && thread.state === 'idle' && thread.since <= idleSince;
    const spare = this.#threads.filter(isSpare);
    this.#threads = this.#threads.filter((thread) => !spare.includes(thread));
    for (const thread of spare) thread.end();
    if (this.#threads.length > 1) this.#shrinkSoon();
  }

  #now(): number {
    return this.#options.world.micros() / 1000;
  }
}

function settle({ resolve, reject }: QueuedJob, answer: Answer | Error | undefined): void {
  if (typeof answer === 'number') resolve(answer);
  else reject(Object.assign(new Error(answer?.message), answer));
}
