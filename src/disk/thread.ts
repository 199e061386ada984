/**
 * A thread that makes the disk calls of several deliveries in one go. Through libuv's pool every
 * single call wakes a thread and then the event loop, which for a small message costs more than
 * the calls themselves. It has one batch at a time (batch.ts), and knows nothing of queued ones.
 */
import { Worker } from 'node:worker_threads';
import type { World } from '../core/world.ts';
import type { Done, Order } from './batch.ts';

/** Most bytes of a batch; they go to the thread in memory it shares. */
export const SLOT_BYTES = 1024 * 1024;

interface Pending {
  resolve(done: Done): void;
  reject(error: Error): void;
}

/** `gone`: it has ended and will do nothing more. */
export type ThreadState = 'beginning' | 'idle' | 'busy' | 'gone';

/** What the queue needs of a thread. */
export interface BatchThread {
  readonly state: ThreadState;
  /** When it came into that state, in milliseconds of the World. */
  readonly since: number;
  /** Why it ended before it could do anything. */
  readonly failure: Error | undefined;
  /**
   * Makes a batch. Not to be called while the thread is busy. `pieces` are the bytes of all jobs in
   * their order, SLOT_BYTES at most. Rejects when the thread has ended: its work is in doubt then.
   */
  perform(order: Order, pieces: readonly Buffer[]): Promise<Done>;
  end(): void;
}

export class DiskThread implements BatchThread {
  readonly #slot = Buffer.from(new SharedArrayBuffer(SLOT_BYTES));
  readonly #worker: Worker;
  #pending: Pending | undefined;
  #state: ThreadState = 'beginning';
  #since: number;
  readonly #world: Pick<World, 'micros'>;
  readonly #changed: () => void;
  #failure: Error | undefined;

  /**
   * Calls `changed` when it can be given work, and when it has ended. Keeps the process alive only
   * while it has work. Throws where no thread can be had.
   */
  constructor(world: Pick<World, 'micros'>, changed: () => void) {
    this.#world = world;
    this.#since = this.#now();
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

  get since(): number {
    return this.#since;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  async perform(order: Order, pieces: readonly Buffer[]): Promise<Done> {
    if (this.#state === 'gone') throw new Error('the disk thread has ended');
    let at = 0;
    for (const piece of pieces) {
      // into shared memory copy() goes word by word, at a tenth of the speed
      this.#slot.fill(piece, at, at + piece.length);
      at += piece.length;
    }
    const expected = order.jobs.reduce((sum, job) => sum + ('bytes' in job ? job.bytes : 0), 0);
    // otherwise one message would get the bytes of the next
    if (at !== expected) throw new RangeError('the bytes are not those of the jobs');
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#become('busy');
      this.#worker.ref(); // while there is something to wait for
      this.#worker.postMessage(JSON.stringify(order)); // as a string: an object would be cloned
    });
  }

  end(): void {
    this.#worker.terminate();
  }

  /** The thread has ended, by a bug or out of memory or because it was told to. */
  #gone(error: Error): void {
    if (this.#state === 'gone') return;
    if (this.#state === 'beginning') this.#failure = error;
    this.#become('gone');
    this.#take()?.reject(error);
    this.#changed();
  }

  #become(state: ThreadState): void {
    this.#state = state;
    this.#since = this.#now();
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }

  #take(): Pending | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }
}
