/**
 * The disk calls of a delivery, one method each, so that a test can count them, fail them or
 * cut them short. Together with `World` the only thing a test may fake. What every message
 * needs is several calls in one go, by threads made for it (diskqueue.ts); all else is left
 * to libuv, call by call.
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { Devices } from './filesystems.ts';
import { DiskQueue } from './queue.ts';
import { maildirOf, sharedCalls } from './threadshare.ts';

export interface OpenFile {
  /** One writev(2): may take fewer bytes than given; resolves to how many. */
  writev(pieces: Buffer[]): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What is left for mail on a file system. */
export interface Free {
  readonly bytes: number;
  readonly files: number;
}

export interface SingleCalls {
  /** O_CREAT|O_EXCL|O_WRONLY. */
  create(path: string, mode: number): Promise<OpenFile>;
  unlink(path: string): Promise<void>;
  /** Not recursive; fails with EEXIST. */
  mkdir(path: string, mode: number): Promise<void>;
  /** fsync of the directory itself. */
  syncDirectory(path: string): Promise<void>;
  /** The number of the file system a path is on. */
  device(path: string): Promise<number>;
  /** statfs(2). */
  free(path: string): Promise<Free>;
}

export interface Disk extends SingleCalls {
  /**
   * A small file in one go: made at `from` in tmp/, written, fsynced, renamed to `to` in new/, and
   * that directory fsynced. `pieces`: MAX_WHOLE_BYTES at the most. Resolves to the milliseconds the
   * file's fsync took. After an error nothing of it is left, unless it could not be removed.
   * `isWanted` is asked right before: false, and it fails with nothing done.
   */
  deliver(
    from: string,
    to: string,
    mode: number,
    pieces: readonly Buffer[],
    isWanted: () => boolean,
  ): Promise<number>;
  /**
   * Rename, then fsync of the directory it went to. Where the rename fails nothing has changed;
   * where the fsync fails the file is gone.
   */
  renameAndSync(from: string, to: string, isWanted: () => boolean): Promise<void>;
  /** Nothing more comes: threads without work end. */
  close(): void;
}

/** What waits here until it goes to a thread; a larger message is written as it comes. */
export const MAX_WHOLE_BYTES = 256 * 1024;

// callbacks made promises: half the cost of FileHandle on this path
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const unlink = promisify(fs.unlink);
const mkdir = promisify(fs.mkdir);
const stat = promisify(fs.stat);
const statfs = promisify(fs.statfs);

/** By libuv's threads. */
export const realCalls: SingleCalls = {
  async create(path, mode) {
    const fd = await open(path, fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, mode);
    return {
      writev: (pieces) =>
        new Promise((resolve, reject) => {
          fs.writev(fd, pieces, (error, written) => (error ? reject(error) : resolve(written)));
        }),
      sync: () => fsync(fd),
      close: () => close(fd),
    };
  },
  unlink,
  async mkdir(path, mode) {
    await mkdir(path, { mode });
  },
  async syncDirectory(path) {
    const fd = await open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      await fsync(fd);
    } finally {
      await close(fd);
    }
  },
  async device(path) {
    return (await stat(path)).dev;
  },
  async free(path) {
    // what root may use beyond the others is not for mail
    const { bavail, bsize, files, ffree } = await statfs(path);
    return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree };
  },
};

/** `hungMs`: how long a file system may be silent before what comes for it fails at once. */
export function openDisk(hungMs: number): Disk {
  const devices = new Devices(realCalls.device);
  const queue = new DiskQueue(hungMs);
  queue.start();
  return {
    ...sharedCalls(realCalls, devices, hungMs),
    async deliver(from, to, mode, pieces, isWanted) {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return queue.submit({ from, to, mode, bytes }, await devices.of(maildirOf(to)), isWanted, pieces);
    },
    async renameAndSync(from, to, isWanted) {
      await queue.submit({ from, to }, await devices.of(maildirOf(to)), isWanted);
    },
    close: () => queue.close(),
  };
}

/** A write may be short; the rest is written again, and an error then says why it was. */
export async function writeAll(file: OpenFile, pieces: readonly Buffer[]): Promise<void> {
  let rest = [...pieces];
  while (rest.length > 0) {
    let written = await file.writev(rest);
    if (written === 0) throw new Error('write made no progress');
    while (written > 0 && rest[0] !== undefined && written >= rest[0].length) {
      written -= rest[0].length;
      rest = rest.slice(1);
    }
    const [first, ...others] = rest;
    if (first !== undefined && written > 0) rest = [first.subarray(written), ...others];
  }
}
