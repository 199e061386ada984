/**
 * A thread that does several disk calls in one go. Through libuv's pool every single call
 * wakes a thread and then the event loop, which for a small message costs more than the
 * calls themselves. It has one job at a time and no queue: who finds it busy does the same
 * calls one by one, so that a disk that is slow or hangs holds up nothing but its own.
 */
import { Worker } from 'node:worker_threads';

export type Job =
  | { readonly kind: 'writeWhole'; readonly path: string; readonly mode: number; readonly bytes: number }
  | { readonly kind: 'renameAndSync'; readonly from: string; readonly to: string }
  | { readonly kind: 'syncDirectory'; readonly path: string };

/** Milliseconds the fsync took, or the error. */
export type Answer = number | Pick<NodeJS.ErrnoException, 'message' | 'code' | 'errno' | 'syscall'>;

/** Bytes that go to the thread with a job, in memory it shares. */
export const SLOT_BYTES = 256 * 1024;

interface Order {
  resolve(fsyncMs: number): void;
  reject(error: Error): void;
}

export class DiskThread {
  readonly #slot = Buffer.from(new SharedArrayBuffer(SLOT_BYTES));
  #worker: Worker | undefined; // begun with the first job at the latest, and anew if it ends
  #order: Order | undefined;

  /** Before there is a job, so that the first need not wait for it. Keeps no process alive. */
  start(): void {
    if (this.#worker === undefined) this.#begin().unref();
  }

  /** Resolves to the milliseconds its fsync took; undefined where the thread is busy. `pieces`: SLOT_BYTES at the most. */
  perform(job: Job, pieces: readonly Buffer[] = []): Promise<number> | undefined {
    if (this.#order !== undefined) return undefined;
    const worker = this.#worker ?? this.#begin();
    let at = 0;
    for (const piece of pieces) at += piece.copy(this.#slot, at);
    return new Promise((resolve, reject) => {
      this.#order = { resolve, reject };
      worker.ref(); // while there is something to wait for
      worker.postMessage(JSON.stringify(job)); // an object would be cloned, at several times the price
    });
  }

  #begin(): Worker {
    const worker = new Worker(new URL('./diskworker.js', import.meta.url), {
      workerData: this.#slot.buffer,
      // what it needs is a few hundred kilobytes; the defaults would let it grow with the machine
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
    });
    worker.on('message', (answer: Answer) => {
      if (worker === this.#worker) this.#done(answer); // an answer of one that has ended is no answer to the next job
    });
    worker.on('error', (error) => this.#gone(worker, error));
    worker.on('exit', () => this.#gone(worker, new Error('the disk thread has ended')));
    this.#worker = worker;
    return worker;
  }

  #done(answer: Answer): void {
    const order = this.#order;
    this.#order = undefined;
    this.#worker?.unref();
    if (typeof answer === 'number') order?.resolve(answer);
    else order?.reject(Object.assign(new Error(answer.message), answer));
  }

  /** By a bug or out of memory: what it was doing is in doubt, so it failed. */
  #gone(worker: Worker, error: Error): void {
    if (worker !== this.#worker) return; // its exit, told behind its error: there may be a new one by now
    this.#order?.reject(error);
    this.#order = undefined;
    this.#worker = undefined;
  }
}
