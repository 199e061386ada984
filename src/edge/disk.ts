/**
 * The disk calls of a delivery, one method each, so that a test can count them, fail them or
 * cut them short. Together with `World` the only thing a test may fake. Two of them are
 * several calls in one go, done by a thread of their own (diskthreads.ts).
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { renameAndSyncOnThread, syncDirectoryOnThread, writeWholeOnThread } from './diskthreads.ts';

export interface OpenFile {
  /** One writev(2): may take fewer bytes than given; resolves to how many. */
  writev(pieces: Buffer[]): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What a file system has left for us. */
export interface Free {
  readonly bytes: number;
  /** Files that can still be made; infinite where the file system has no such limit. */
  readonly files: number;
}

export interface Disk {
  /** O_CREAT|O_EXCL|O_WRONLY. */
  create(path: string, mode: number): Promise<OpenFile>;
  /**
   * A small file in one go: create, write all, fsync, close. Resolves to the milliseconds its
   * fsync took. After an error nothing of it is left, unless it could not be removed.
   */
  writeWhole(path: string, mode: number, pieces: readonly Buffer[]): Promise<number>;
  rename(from: string, to: string): Promise<void>;
  /**
   * Rename, then fsync of the directory it went to. After an error of the fsync the file is
   * unlinked; where the rename failed the error's `syscall` is 'rename', and nothing has changed.
   */
  renameAndSync(from: string, to: string): Promise<void>;
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

/** The most bytes `writeWhole` takes. */
export { SLOT_BYTES as MAX_WHOLE_BYTES } from './diskthreads.ts';

// callbacks made promises: half the cost of FileHandle on this path
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const rename = promisify(fs.rename);
const unlink = promisify(fs.unlink);
const mkdir = promisify(fs.mkdir);
const stat = promisify(fs.stat);
const statfs = promisify(fs.statfs);

export const realDisk: Disk = {
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
  writeWhole: writeWholeOnThread,
  rename,
  renameAndSync: renameAndSyncOnThread,
  unlink,
  async mkdir(path, mode) {
    await mkdir(path, { mode });
  },
  syncDirectory: syncDirectoryOnThread,
  async device(path) {
    return (await stat(path)).dev;
  },
  async free(path) {
    // what root may use beyond the others is not for mail
    const { bavail, bsize, files, ffree } = await statfs(path);
    return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree };
  },
};
