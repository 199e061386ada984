/**
 * A thread that makes the disk calls of several deliveries in one go. Through libuv's pool every
 * single call wakes a thread and then the event loop, which for a small message costs more than
 * the calls themselves. It has one batch at a time (batch.ts); who waits is the queue's business.
 */
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import type { Answer, Job } from './batch.ts';

/** Bytes that go to a thread with a batch, in memory it shares. */
export const SLOT_BYTES = 1024 * 1024;

/** What came of a batch. */
export interface Done {
  /** In the order of the jobs. */
  readonly answers: readonly Answer[];
  /** How much of the time was the disk's, 0 to 1: the thread neither ran nor waited for a processor. */
  readonly diskShare: number;
}

interface Order {
  resolve(done: Done): void;
  reject(error: Error): void;
}

/** `gone`: it has ended and will do nothing more. */
export type ThreadState = 'beginning' | 'idle' | 'busy' | 'gone';

export class DiskThread {
  readonly #slot = Buffer.from(new SharedArrayBuffer(SLOT_BYTES));
  readonly #worker: Worker;
  #order: Order | undefined;
  #state: ThreadState = 'beginning';
  #since = performance.now();
  readonly #changed: () => void;
  #failure: Error | undefined;

  /** Calls `changed` when it can be given work, and when it has ended. Keeps no process alive unless it has work. Throws where there can be no thread. */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: this.#slot.buffer,
      // what it needs is a few hundred kilobytes; the defaults would let it grow with the machine
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
    });
    this.#worker.on('message', (done: string) => {
      this.#worker.unref();
      this.#become('idle');
      this.#take()?.resolve(JSON.parse(done));
    });
    this.#worker.on('online', () => {
      this.#become('idle');
      changed();
    });
    this.#worker.on('error', (error) => this.#gone(error));
    this.#worker.on('exit', () => this.#gone(new Error('the disk thread has ended')));
    this.#worker.unref(); // last: a listener takes it back
  }

  get state(): ThreadState {
    return this.#state;
  }

  /** Since when it is in that state, on the scale of performance.now(). */
  get since(): number {
    return this.#since;
  }

  /** Why it ended before it could do anything. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Not to be called while it is busy. `pieces` are the bytes of all jobs in their order:
   * SLOT_BYTES at the most. Rejects when the thread has ended: what it was doing is in doubt.
   */
  async perform(jobs: readonly Job[], pieces: readonly Buffer[]): Promise<Done> {
    if (this.#state === 'gone') throw new Error('the disk thread has ended');
    let at = 0;
    for (const piece of pieces) {
      // where memory is shared copy() goes word by word, at a tenth of the speed
      this.#slot.fill(piece, at, at + piece.length);
      at += piece.length;
    }
    const expected = jobs.reduce((sum, job) => sum + ('bytes' in job ? job.bytes : 0), 0);
    // else one message would get the bytes of the next
    if (at !== expected) throw new RangeError('the bytes are not those of the jobs');
    return new Promise((resolve, reject) => {
      this.#order = { resolve, reject };
      this.#become('busy');
      this.#worker.ref(); // while there is something to wait for
      this.#worker.postMessage(JSON.stringify(jobs)); // as a string: an object would be cloned
    });
  }

  end(): void {
    this.#worker.terminate();
  }

  /** By a bug or out of memory. */
  #gone(error: Error): void {
    if (this.#state === 'gone') return;
    if (this.#state === 'beginning') this.#failure = error;
    this.#become('gone');
    this.#take()?.reject(error);
    this.#changed();
  }

  #become(state: ThreadState): void {
    this.#state = state;
    this.#since = performance.now();
  }

  #take(): Order | undefined {
    const order = this.#order;
    this.#order = undefined;
    return order;
  }
}
