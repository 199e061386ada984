/**
 * Deliveries that wait for a disk thread. Whatever has come while the threads were busy goes in
 * one batch, so the more there is to do the less each costs. On a fast disk one thread is enough;
 * where a batch takes long there are more, since fsyncs that run together share the disk's work.
 *
 * A batch is of one file system, and no file system gets all threads: one that hangs holds up
 * nothing but its own. A directory is in one batch at a time: the kernel tells of a lost write
 * once, and a second fsync under way could be told of a rename that is not its own.
 */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Answer, Job } from './batch.ts';
import { DiskThread, SLOT_BYTES } from './diskthread.ts';

const MOST_THREADS = 8;
const MOST_FOR_ONE = 4;
/** With so many files open at once, and all of them answered when the last one is done. */
const MOST_JOBS = 16;
/** A batch that takes longer is on a disk that is slow, or hangs: another thread is wanted. */
const SLOW_BATCH_MS = 50;
/** Threads beyond the first go when they had nothing to do for so long. */
const IDLE_MS = 5000;
/** From here on it is better to wait for several fsyncs at once than to spare the wake-ups: what waits is shared out among threads. */
const SLOW_FSYNC_MS = 1;
/** How much the last batch counts for the mean. */
const WEIGHT = 0.2;

interface Delivery {
  readonly job: Job;
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
  /** Where it goes. */
  readonly directory: string;
  readonly device: number;
  isWanted(): boolean;
  resolve(fsyncMs: number): void;
  reject(error: Error): void;
}

interface Device {
  batches: number; // under way
  answeredAt: number; // when the last one ended, or the first of those under way began
  fsyncMs: number; // of a file, the mean of late
}

export class DiskQueue {
  readonly #hungMs: number;
  #waiting: Delivery[] = [];
  #threads: DiskThread[] = [];
  readonly #devices = new Map<number, Device>();
  readonly #directories = new Set<string>(); // in a batch under way
  #isClosed = false;
  #dispatching: NodeJS.Immediate | undefined;
  #growing: NodeJS.Timeout | undefined;
  #shrinking: NodeJS.Timeout | undefined;

  /** `hungMs`: how long a file system may take to answer before what comes for it fails at once. */
  constructor(hungMs: number) {
    this.#hungMs = hungMs;
  }

  /** One thread at least, so that the first delivery need not wait for it. */
  start(): void {
    if (this.#threads.length === 0) this.#begin();
  }

  /** What waits fails. A thread at work ends with its batch or with the process, which waits for it. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#growing);
    clearTimeout(this.#shrinking);
    this.#failWaiting(new Error('the disk is closed'));
    for (const thread of this.#threads) if (thread.busySince === undefined) thread.end();
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
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > SLOT_BYTES) throw new RangeError('too much for one go');
    if (this.#isClosed) throw new Error('the disk is closed');
    if (this.#isHung(device)) throw new Error('the file system does not answer');
    return new Promise((resolve, reject) => {
      const directory = dirname(job.to);
      this.#waiting.push({ job, pieces, bytes, directory, device, isWanted, resolve, reject });
      this.#dispatchSoon();
    });
  }

  #isHung(number: number): boolean {
    const { batches, answeredAt } = this.#device(number);
    return batches > 0 && performance.now() - answeredAt > this.#hungMs;
  }

  #device(number: number): Device {
    const device = this.#devices.get(number) ?? { batches: 0, answeredAt: 0, fsyncMs: 0 };
    this.#devices.set(number, device);
    return device;
  }

  /** At the end of this turn of the event loop: with all that comes in it. */
  #dispatchSoon(): void {
    this.#dispatching ??= setImmediate(() => this.#dispatch());
  }

  #dispatch(): void {
    this.#dispatching = undefined;
    if (this.#isClosed) return;
    this.#tidy();
    if (this.#isWorthAnother()) this.#begin();
    for (;;) {
      const idle = this.#threads.filter(({ isIdle }) => isIdle);
      const [thread] = idle;
      const batch = thread === undefined ? [] : this.#takeBatch(idle.length);
      if (thread === undefined || batch.length === 0) break;
      this.#run(thread, batch);
    }
    if (this.#waiting.length > 0) this.#growSoon();
    if (this.#threads.length > 1) this.#shrinkSoon();
  }

  /** Who gave up waits no longer; threads that have ended are replaced when there is work. */
  #tidy(): void {
    for (const { isWanted, reject } of this.#waiting) if (!isWanted()) reject(new Error('given up'));
    this.#waiting = this.#waiting.filter(({ isWanted }) => isWanted());
    const unborn = this.#threads.find(({ isGone, failure }) => isGone && failure !== undefined);
    this.#threads = this.#threads.filter(({ isGone }) => !isGone);
    if (this.#threads.length > 0 || this.#waiting.length === 0) return;
    // one that could not begin would not the next time either: that is for the clients to try
    if (unborn?.failure === undefined) this.#begin();
    else this.#failWaiting(unborn.failure);
  }

  #isWorthAnother(): boolean {
    const allWork = this.#threads.every(({ busySince }) => busySince !== undefined);
    if (this.#threads.length >= MOST_FOR_ONE || !allWork) return false;
    const isSlow = ({ device }: Delivery) => this.#device(device).fsyncMs > SLOW_FSYNC_MS;
    return this.#waiting.some((delivery) => isSlow(delivery) && this.#mayGo(delivery));
  }

  /** The first that may go, and what waits behind it for the same file system. */
  #takeBatch(idleThreads: number): Delivery[] {
    const ready = this.#waiting.filter((delivery) => this.#mayGo(delivery));
    const { device } = ready[0] ?? { device: -1 };
    const same = ready.filter((delivery) => delivery.device === device);
    const isSlow = this.#device(device).fsyncMs > SLOW_FSYNC_MS;
    const most = isSlow ? Math.ceil(same.length / idleThreads) : same.length;
    const batch = new Set<Delivery>();
    let bytes = 0;
    for (const delivery of same.slice(0, Math.min(most, MOST_JOBS))) {
      bytes += delivery.bytes;
      if (bytes > SLOT_BYTES) break;
      batch.add(delivery);
    }
    this.#waiting = this.#waiting.filter((delivery) => !batch.has(delivery));
    return [...batch];
  }

  #mayGo({ device, directory }: Delivery): boolean {
    return !this.#directories.has(directory) && this.#device(device).batches < MOST_FOR_ONE;
  }

  async #run(thread: DiskThread, batch: readonly Delivery[]): Promise<void> {
    const device = this.#device(batch[0]?.device ?? -1);
    if (device.batches++ === 0) device.answeredAt = performance.now();
    for (const { directory } of batch) this.#directories.add(directory);
    const jobs = batch.map(({ job }) => job);
    const answers = await thread
      .perform(
        jobs,
        batch.flatMap(({ pieces }) => pieces),
      )
      .catch((error: Error) => error);
    device.batches--;
    device.answeredAt = performance.now();
    for (const { directory } of batch) this.#directories.delete(directory);
    if (!(answers instanceof Error)) device.fsyncMs += WEIGHT * (meanOf(answers) - device.fsyncMs);
    this.#dispatchSoon();
    for (const [n, delivery] of batch.entries())
      settle(delivery, answers instanceof Error ? answers : answers[n]);
  }

  /** Looks behind what has arrived meanwhile: when this process was held up itself, no disk is slow. */
  #growSoon(): void {
    this.#growing ??= setTimeout(() => setImmediate(() => this.#grow()), SLOW_BATCH_MS);
  }

  #grow(): void {
    this.#growing = undefined;
    const slowSince = performance.now() - SLOW_BATCH_MS;
    const allAreSlow = this.#threads.every(({ busySince = Infinity }) => busySince <= slowSince);
    const isWanted = this.#waiting.some((delivery) => this.#mayGo(delivery));
    if (allAreSlow && isWanted && this.#countAnswering() < MOST_THREADS) this.#begin();
    this.#dispatch();
  }

  /** Threads that a hung disk has are gone for the others. */
  #countAnswering(): number {
    const hungSince = performance.now() - this.#hungMs;
    return this.#threads.filter(({ busySince = Infinity }) => busySince > hungSince).length;
  }

  #shrinkSoon(): void {
    this.#shrinking ??= setTimeout(() => this.#shrink(), IDLE_MS).unref();
  }

  #shrink(): void {
    this.#shrinking = undefined;
    const idleSince = performance.now() - IDLE_MS;
    const isSpare = (thread: DiskThread, n: number) =>
      n > 0 && thread.isIdle && thread.idleSince <= idleSince;
    const spare = this.#threads.filter(isSpare);
    this.#threads = this.#threads.filter((thread) => !spare.includes(thread));
    for (const thread of spare) thread.end();
    if (this.#threads.length > 1) this.#shrinkSoon();
  }
}

function meanOf(answers: readonly Answer[]): number {
  const times = answers.filter((answer) => typeof answer === 'number');
  return times.reduce((sum, ms) => sum + ms, 0) / Math.max(times.length, 1);
}

function settle({ resolve, reject }: Delivery, answer: Answer | Error | undefined): void {
  if (typeof answer === 'number') resolve(answer);
  else reject(Object.assign(new Error(answer?.message), answer));
}
