/**
 * A share for each file system of the threads that make file calls. libuv has few, a call that hangs keeps its thread,
 * and nothing can take it back: without shares one disk that hangs would stop the deliveries to all others and
 * the look-ups of keys. Beyond its share the calls of a file system wait here, and where none has come
 * back for long they fail at once, so that neither clients nor memory are held up by it.
 */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { OpenFile, SingleCalls } from './disk.ts';
import type { Devices } from './filesystems.ts';

/** Of the four threads that libuv has unless told otherwise, one is left for everything else. */
const MOST = 3;
/** `hungMs`: how long a file system may take all of its share without an answer to any call. */
export function sharedCalls(calls: SingleCalls, devices: Devices, hungMs: number): SingleCalls {
  const shares = new Map<number, Share>(); // by device
  const shareOf = async (directory: string) => {
    const device = await devices.of(directory);
    const share = shares.get(device) ?? new Share(hungMs);
    shares.set(device, share);
    return share;
  };
  const run = async <T>(directory: string, call: () => Promise<T>) => (await shareOf(directory)).run(call);
  return {
    async create(path, mode) {
      const share = await shareOf(maildirOf(path));
      return sharedFile(await share.run(() => calls.create(path, mode)), share);
    },
    unlink: async (path) => (await shareOf(maildirOf(path))).runInTime(() => calls.unlink(path)),
    mkdir: (path, mode) => run(dirname(path), () => calls.mkdir(path, mode)),
    syncDirectory: (path) => run(path, () => calls.syncDirectory(path)),
    device: (path) => calls.device(path),
    free: (path) => run(path, () => calls.free(path)),
  };
}

/** Of a file in its tmp/ or new/. */
export function maildirOf(path: string): string {
  return dirname(dirname(path));
}

function sharedFile(file: OpenFile, share: Share): OpenFile {
  return {
    writev: (pieces) => share.run(() => file.writev(pieces)),
    sync: () => share.run(() => file.sync()),
    close: () => file.close(), // never refused: a descriptor is at stake
  };
}

class Share {
  readonly #hungMs: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #answeredAt = 0;

  constructor(hungMs: number) {
    this.#hungMs = hungMs;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= MOST && performance.now() - this.#answeredAt > this.#hungMs)
      throw new Error('the file system does not answer');
    return this.runInTime(call);
  }

  /** Never refused: what undoes something waits for its turn, however long. */
  async runInTime<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running < MOST) {
      if (this.#running++ === 0) this.#answeredAt = performance.now(); // the wait begins
    } else {
      await new Promise<void>((resolve) => this.#waiting.push(resolve)); // for the place of one that ends
    }
    try {
      return await call();
    } finally {
      this.#answeredAt = performance.now();
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
