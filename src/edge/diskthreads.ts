/**
 * A few threads that do several disk calls in one go. Through libuv's pool every single call
 * wakes a thread and then the event loop, which for a small message costs more than the
 * calls themselves. A thread has one job at a time, and where a job waits for long another
 * thread is started: a quick disk needs one, and one that hangs holds what it was given and
 * nothing else, as long as there are threads left.
 */
import { Worker } from 'node:worker_threads';

export type Job =
  | { readonly kind: 'writeWhole'; readonly path: string; readonly mode: number; readonly bytes: number }
  | { readonly kind: 'renameAndSync'; readonly from: string; readonly to: string }
  | { readonly kind: 'syncDirectory'; readonly path: string };

/** Milliseconds the fsync took, or the error. */
export type Answer = number | Pick<NodeJS.ErrnoException, 'message' | 'code' | 'errno' | 'syscall'>;

/** Bytes that go to a thread with a job, in memory it shares. */
export const SLOT_BYTES = 256 * 1024;
// each has 8 MiB of its own
const MAX_THREADS = 4;
const PATIENCE_MS = 250;

interface Order {
  readonly job: Job;
  readonly pieces: readonly Buffer[];
  resolve(fsyncMs: number): void;
  reject(error: Error): void;
}

const idle: DiskThread[] = [];
const waiting: Order[] = [];
let count = 0;
let patience: NodeJS.Timeout | undefined;

/** See `Disk.writeWhole`. */
export function writeWholeOnThread(path: string, mode: number, pieces: readonly Buffer[]): Promise<number> {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return perform({ kind: 'writeWhole', path, mode, bytes }, pieces);
}

/** See `Disk.renameAndSync`. */
export async function renameAndSyncOnThread(from: string, to: string): Promise<void> {
  await perform({ kind: 'renameAndSync', from, to }, []);
}

/** See `Disk.syncDirectory`. */
export async function syncDirectoryOnThread(path: string): Promise<void> {
  await perform({ kind: 'syncDirectory', path }, []);
}

function perform(job: Job, pieces: readonly Buffer[]): Promise<number> {
  return new Promise((resolve, reject) => {
    if (job.kind === 'writeWhole' && job.bytes > SLOT_BYTES) throw new RangeError('too much for one go');
    waiting.push({ job, pieces, resolve, reject });
    assign();
  });
}

function assign(): void {
  if (count === 0) idle.push(new DiskThread());
  for (let thread = idle.pop(); thread !== undefined; thread = idle.pop()) {
    const order = waiting.shift();
    if (order === undefined) return void idle.push(thread);
    thread.take(order);
  }
  if (waiting.length > 0 && count < MAX_THREADS && patience === undefined) {
    patience = setTimeout(reinforce, PATIENCE_MS, waiting[0]);
  }
}

/** One more thread, if what waited first then is waiting still. */
function reinforce(first: Order | undefined): void {
  patience = undefined;
  if (waiting[0] === first) idle.push(new DiskThread());
  assign();
}

class DiskThread {
  readonly #slot = Buffer.from(new SharedArrayBuffer(SLOT_BYTES));
  readonly #worker = new Worker(new URL('./diskthread.js', import.meta.url), {
    workerData: this.#slot.buffer,
    // what it needs is a few hundred kilobytes; the defaults would let it grow with the machine
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
  });
  #order: Order | undefined;

  constructor() {
    count++;
    this.#worker.on('message', (answer: Answer) => this.#done(answer));
    this.#worker.on('error', (error) => this.#gone(error));
    this.#worker.on('exit', () => this.#gone(new Error('the disk thread has ended')));
    this.#worker.unref();
  }

  take(order: Order): void {
    this.#order = order;
    let at = 0;
    for (const piece of order.pieces) at += piece.copy(this.#slot, at);
    this.#worker.ref(); // while there is something to wait for
    this.#worker.postMessage(JSON.stringify(order.job)); // an object would be cloned at several times the price
  }

  #done(answer: Answer): void {
    const order = this.#order;
    this.#order = undefined;
    this.#worker.unref();
    idle.push(this);
    assign();
    if (typeof answer === 'number') order?.resolve(answer);
    else order?.reject(Object.assign(new Error(answer.message), answer));
  }

  /** By a bug or out of memory: what it was doing is in doubt, so it failed. */
  #gone(error: Error): void {
    const order = this.#order;
    this.#order = undefined;
    if (order === undefined && !idle.includes(this)) return; // told already
    count--;
    const at = idle.indexOf(this);
    if (at !== -1) idle.splice(at, 1);
    order?.reject(error);
    assign();
  }
}
