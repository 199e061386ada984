/**
 * A share for each file system of the threads that make file calls. libuv has few, a call that hangs keeps its thread,
 * and nothing can take it back: without shares one disk that hangs would stop the deliveries to all others and
 * the look-ups of keys. Beyond its share the calls of a file system wait here, and where none has come
 * back for long they fail at once, so that neither clients nor memory are held up by it.
 */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Disk, OpenFile } from './disk.ts';

/** Of the four threads that libuv has unless told otherwise, one is left for everything else. */
const MOST = 3;
/** Something may have been mounted there meanwhile. */
const FORGET_MS = 60_000;
const MAX_KNOWN = 10_000;

/** `hungMs`: how long a file system may take all of its share without an answer to any call. */
export function sharedDisk(disk: Disk, hungMs: number): Disk {
  const shares = new Shares(disk, hungMs);
  return {
    async create(path, mode) {
      const share = await shares.of(maildirOf(path));
      return sharedFile(await share.run(() => disk.create(path, mode)), share);
    },
    writeWhole: (path, mode, pieces) =>
      shares.run(maildirOf(path), () => disk.writeWhole(path, mode, pieces)),
    rename: (from, to) => shares.run(maildirOf(to), () => disk.rename(from, to)),
    renameAndSync: (from, to) => shares.run(maildirOf(to), () => disk.renameAndSync(from, to)),
    unlink: (path) => shares.run(maildirOf(path), () => disk.unlink(path)),
    mkdir: (path, mode) => shares.run(dirname(path), () => disk.mkdir(path, mode)),
    syncDirectory: (path) => shares.run(path, () => disk.syncDirectory(path)),
    device: (path) => disk.device(path),
    free: (path) => shares.run(path, () => disk.free(path)),
  };
}

/** Of a file in its tmp/ or new/. */
function maildirOf(path: string): string {
  return dirname(dirname(path));
}

function sharedFile(file: OpenFile, share: Share): OpenFile {
  return {
    writev: (pieces) => share.run(() => file.writev(pieces)),
    sync: () => share.run(() => file.sync()),
    close: () => file.close(), // never refused: a descriptor is at stake
  };
}

/** By directory, and by the device it is on. */
class Shares {
  readonly #disk: Disk;
  readonly #hungMs: number;
  readonly #byDevice = new Map<number, Share>();
  #byDirectory = new Map<string, Share>();
  #forgetAt = 0;

  constructor(disk: Disk, hungMs: number) {
    this.#disk = disk;
    this.#hungMs = hungMs;
  }

  async run<T>(directory: string, call: () => Promise<T>): Promise<T> {
    return (await this.of(directory)).run(call);
  }

  /** Not a promise where it is known, which it nearly always is. */
  of(directory: string): Share | Promise<Share> {
    if (performance.now() > this.#forgetAt || this.#byDirectory.size > MAX_KNOWN) {
      this.#byDirectory = new Map();
      this.#forgetAt = performance.now() + FORGET_MS;
    }
    return this.#byDirectory.get(directory) ?? this.#find(directory);
  }

  async #find(directory: string): Promise<Share> {
    const device = await this.#deviceOf(directory);
    const share = this.#byDevice.get(device) ?? new Share(this.#hungMs);
    this.#byDevice.set(device, share);
    this.#byDirectory.set(directory, share);
    return share;
  }

  /** Of a directory that is not there: of the one it would be in. */
  async #deviceOf(directory: string): Promise<number> {
    try {
      return await this.#disk.device(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(directory) === directory) throw error;
      return this.#deviceOf(dirname(directory));
    }
  }
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
    if (this.#running < MOST) {
      if (this.#running++ === 0) this.#answeredAt = performance.now(); // the wait begins
    } else {
      if (performance.now() - this.#answeredAt > this.#hungMs)
        throw new Error('the file system does not answer');
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
