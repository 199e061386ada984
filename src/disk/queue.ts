/**
 * Deliveries that wait for a disk thread. Whatever has come while it was busy goes in one batch,
 * so the more there is to do the less each costs.
 *
 * A batch is of one file system, and no file system gets all threads (pace.ts): one that hangs
 * holds up nothing but its own mail. A directory is in one batch at a time: the kernel tells of a
 * lost write once, and a second fsync under way could be told of a rename that is not its own.
 */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Answer, Job } from './batch.ts';
import { LATE_MS, Pace } from './batchpace.ts';
import { DiskThread, SLOT_BYTES } from './thread.ts';

/** Those that a hung file system has come on top. */
const MOST_THREADS = 16;
/** With so many files open at once, and all of them answered when the last one is done. */
const MOST_JOBS = 16;
/** Threads beyond the first go when they had nothing to do for so long. */
const IDLE_MS = 5000;

interface Delivery {
  readonly job: Job;
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
  /** Where it goes. */
  readonly directory: string;
  /** Of the file system that is on. */
  readonly pace: Pace;
  isWanted(): boolean;
  resolve(fsyncMs: number): void;
  reject(error: Error): void;
}

export class DiskQueue {
  readonly #hungMs: number;
  #waiting: Delivery[] = [];
  #threads: DiskThread[] = [];
  readonly #paces = new Map<number, Pace>(); // by device
  readonly #directories = new Set<string>(); // in a batch under way
  #isClosed = false;
  #dispatching: NodeJS.Immediate | undefined;
  #looking: NodeJS.Timeout | undefined;
  #shrinking: NodeJS.Timeout | undefined;

  /** `hungMs`: how long a file system may take to answer before what comes for it fails at once. */
  constructor(hungMs: number) {
    this.#hungMs = hungMs;
  }

  /** One thread at least, so that the first delivery need not wait for it. */
  start(): void {
    if (this.#threads.length === 0) this.#begin();
  }

  /** What waits fails. A thread at work ends with the process, which waits for its batch. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#looking);
    clearTimeout(this.#shrinking);
    this.#failWaiting(new Error('the disk is closed'));
    for (const thread of this.#threads) if (thread.state !== 'busy') thread.end();
  }

  /** Where no thread can be had what there are have to do; without any, what waits fails. */
  #begin(): void {
    try {
      this.#threads.push(new DiskThread(() => this.#dispatchSoon()));
    } catch (error) {
      if (this.#threads.length === 0) this.#failWaiting(error as Error);
    }
  }

  #failWaiting(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }

  /** `device`: the file system of `job.to`. `pieces` are kept until it is over. Resolves to what `deliverAll` answers. */
  submit(job: Job, device: number, isWanted: () => boolean, pieces: readonly Buffer[] = []): Promise<number> {
    const bytes = 'bytes' in job ? job.bytes : 0;
    if (bytes > SLOT_BYTES) throw new RangeError('too much for one go');
    if (this.#isClosed) throw new Error('the disk is closed');
    const pace = this.#paces.get(device) ?? new Pace();
    this.#paces.set(device, pace);
    if (pace.isSilentFor(this.#hungMs)) throw new Error('the file system does not answer');
    return new Promise((resolve, reject) => {
      const directory = dirname(job.to);
      this.#waiting.push({ job, pieces, bytes, directory, pace, isWanted, resolve, reject });
      this.#dispatchSoon();
    });
  }

  /** At the end of this turn of the event loop: with all that comes in it. */
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
    if (this.#waiting.length > 0) this.#lookAgain();
    if (this.#threads.length > 1) this.#shrinkSoon();
  }

  /** Who gave up waits no longer; threads that have ended are replaced when there is work. */
  #tidy(): void {
    const wanted = new Set(this.#waiting.filter(({ isWanted }) => isWanted()));
    for (const delivery of this.#waiting) if (!wanted.has(delivery)) delivery.reject(new Error('given up'));
    this.#waiting = [...wanted];
    const unborn = this.#threads.find(({ failure }) => failure !== undefined);
    this.#threads = this.#threads.filter(({ state }) => state !== 'gone');
    if (this.#threads.length > 0 || this.#waiting.length === 0) return;
    // one that could not begin would not the next time either: that is for the clients to try
    if (unborn?.failure === undefined) this.#begin();
    else this.#failWaiting(unborn.failure);
  }

  /** Threads that could be given a batch now. */
  #countWanted(): number {
    const ready = this.#waiting.filter((delivery) => this.#mayGo(delivery));
    const paces = new Set(ready.map(({ pace }) => pace));
    return Math.min(
      ready.length,
      [...paces].reduce((sum, { room }) => sum + room, 0),
    );
  }

  /** One at a time, and not too many: what there are have to do meanwhile. */
  #beginAnother(): void {
    const isBeginning = this.#threads.some(({ state }) => state === 'beginning');
    if (!isBeginning && this.#countAnswering() < MOST_THREADS) this.#begin();
  }

  /** Threads that a hung disk has are gone for the others. */
  #countAnswering(): number {
    const hungSince = performance.now() - this.#hungMs;
    return this.#threads.filter(({ state, since }) => state !== 'busy' || since > hungSince).length;
  }

  /** The first that may go, and its part of what waits behind it for the same file system. */
  #takeBatch(idleThreads: number): Delivery[] {
    const ready = this.#waiting.filter((delivery) => this.#mayGo(delivery));
    const same = ready.filter(({ pace }) => pace === ready[0]?.pace);
    const parts = Math.min(idleThreads, ready[0]?.pace.room ?? 1);
    const batch = new Set<Delivery>();
    let bytes = 0;
    for (const delivery of same.slice(0, Math.min(Math.ceil(same.length / parts), MOST_JOBS))) {
      bytes += delivery.bytes;
      if (bytes > SLOT_BYTES) break;
      batch.add(delivery);
    }
    this.#waiting = this.#waiting.filter((delivery) => !batch.has(delivery));
    return [...batch];
  }

  #mayGo({ pace, directory }: Delivery): boolean {
    return !this.#directories.has(directory) && pace.room > 0;
  }

  async #run(thread: DiskThread, batch: readonly Delivery[]): Promise<void> {
    const pace = batch[0]?.pace;
    const begun = pace?.begin();
    for (const { directory } of batch) this.#directories.add(directory);
    const jobs = batch.map(({ job }) => job);
    const pieces = batch.flatMap((delivery) => delivery.pieces);
    const done = await thread.perform(jobs, pieces).catch((error: Error) => error);
    if (begun !== undefined) pace?.end(begun, done instanceof Error ? undefined : done);
    for (const { directory } of batch) this.#directories.delete(directory);
    this.#dispatchSoon();
    for (const [n, delivery] of batch.entries())
      settle(delivery, done instanceof Error ? done : done.answers[n]);
  }

  /** A file system may be late by then. */
  #lookAgain(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined;
      this.#dispatchSoon(); // behind what has arrived meanwhile: when this process was held up itself, no disk is late
    }, LATE_MS);
  }

  #shrinkSoon(): void {
    this.#shrinking ??= setTimeout(() => this.#shrink(), IDLE_MS).unref();
  }

  #shrink(): void {
    this.#shrinking = undefined;
    const idleSince = performance.now() - IDLE_MS;
    const isSpare = (thread: DiskThread, n: number) =>
      n > 0 && thread.state === 'idle' && thread.since <= idleSince;
    const spare = this.#threads.filter(isSpare);
    this.#threads = this.#threads.filter((thread) => !spare.includes(thread));
    for (const thread of spare) thread.end();
    if (this.#threads.length > 1) this.#shrinkSoon();
  }
}

function settle({ resolve, reject }: Delivery, answer: Answer | Error | undefined): void {
  if (typeof answer === 'number') resolve(answer);
  else reject(Object.assign(new Error(answer?.message), answer));
}
