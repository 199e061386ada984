/**
 * The single file calls, made by libuv's threads. Plain calls: how many may be under way at once
 * is for others to say (threadshare.ts, sharedcalls.ts).
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { Disk, Free } from './disk.ts';
import { type Mounts, readMounts } from './mounts.ts';

export interface FileCalls
  extends Pick<
    Disk,
    'create' | 'unlink' | 'mkdir' | 'makeEmpty' | 'isDirectory' | 'syncDirectory' | 'find' | 'stat'
  > {
  /** Returns where a link leads. Fails with EINVAL where something else has that name. */
  readlink(path: string): Promise<string>;
  /** Asks statfs(2) about the file system a path is on. */
  statfs(path: string): Promise<Free>;
  /** Tells what is mounted where, at once: no file system is asked for it. */
  mounts(): Mounts;
}

// callbacks made promises: half the cost of FileHandle on this path
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const unlink = promisify(fs.unlink);
const mkdir = promisify(fs.mkdir);
const stat = promisify(fs.stat);
const readlink = promisify(fs.readlink);
const statfs = promisify(fs.statfs);
const readdir = promisify(fs.readdir);

/** O_EXCL: nothing that is there is opened, and no link is followed. */
const NEW = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY;

export const realCalls: FileCalls = {
  async create(path, mode) {
    const fd = await open(path, NEW, mode);
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
  async makeEmpty(path, mode) {
    const fd = await open(path, NEW, mode);
    try {
      await fsync(fd);
    } finally {
      await close(fd);
    }
  },
  isDirectory: (path) =>
    stat(path).then(
      (stats) => stats.isDirectory(),
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
        throw error;
      },
    ),
  async syncDirectory(path) {
    const fd = await open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      await fsync(fd);
    } finally {
      await close(fd);
    }
  },
  readlink: (path) => readlink(path),
  find: async (directory, isIt) => (await readdir(directory)).find(isIt),
  async stat(path) {
    const { size, dev, ino, birthtimeNs } = await stat(path, { bigint: true });
    return { bytes: Number(size), identity: `${dev}:${ino}:${birthtimeNs}` };
  },
  async statfs(path) {
    // bavail, not bfree: blocks reserved for root are not for mail
    const { bavail, bsize, files, ffree } = await statfs(path);
    return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree };
  },
  mounts: readMounts,
};
