/**
 * The disk calls of a delivery, one method each, so that a test can count them, fail them or
 * cut them short. Together with `World` the only thing a test may fake. Two of them are
 * several calls in one go: by a thread that does them all where it is free (diskthread.ts),
 * else one by one.
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { renameAndSyncInSteps, writeWholeInSteps } from './disksteps.ts';
import { DiskThread, SLOT_BYTES } from './diskthread.ts';

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
  rename(from: string, to: string): Promise<void>;
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
   * A small file in one go: create, write all, fsync, close. `pieces`: MAX_WHOLE_BYTES at the
   * most. Resolves to the milliseconds its fsync took. After an error nothing of it is left,
   * unless it could not be removed.
   */
  writeWhole(path: string, mode: number, pieces: readonly Buffer[]): Promise<number>;
  /**
   * Rename, then fsync of the directory it went to. After an error of the fsync the file is
   * unlinked; where the rename failed the error's `syscall` is 'rename', and nothing has changed.
   */
  renameAndSync(from: string, to: string): Promise<void>;
}

export const MAX_WHOLE_BYTES = SLOT_BYTES;

const thread = new DiskThread();

export function startDiskThread(): void {
  thread.start();
}

// callbacks made promises: half the cost of FileHandle on this path
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const rename = promisify(fs.rename);
const unlink = promisify(fs.unlink);
const mkdir = promisify(fs.mkdir);
const stat = promisify(fs.stat);
const statfs = promisify(fs.statfs);

const calls: SingleCalls = {
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
  rename,
  unlink,
  async mkdir(path, mode) {
    await mkdir(path, { mode });
  },
  async syncDirectory(path) {
    const onThread = thread.perform({ kind: 'syncDirectory', path });
    if (onThread !== undefined) return void (await onThread);
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

export const realDisk: Disk = {
  ...calls,
  async writeWhole(path, mode, pieces) {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > MAX_WHOLE_BYTES) throw new RangeError('too much for one go');
    const job = { kind: 'writeWhole', path, mode, bytes } as const;
    return thread.perform(job, pieces) ?? writeWholeInSteps(calls, path, mode, pieces);
  },
  async renameAndSync(from, to) {
    const job = { kind: 'renameAndSync', from, to } as const;
    await (thread.perform(job) ?? renameAndSyncInSteps(calls, from, to));
  },
};
