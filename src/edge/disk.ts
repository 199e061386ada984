/**
 * The disk calls of a delivery, one method each, so that a test can count them, fail them or
 * cut them short. Together with `World` the only thing a test may fake.
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';

export interface OpenFile {
  /** One writev(2): may take fewer bytes than given; resolves to how many. */
  writev(pieces: Buffer[]): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** O_CREAT|O_EXCL|O_WRONLY. */
  create(path: string, mode: number): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Not recursive; fails with EEXIST. */
  mkdir(path: string, mode: number): Promise<void>;
  /** fsync of the directory itself. */
  syncDirectory(path: string): Promise<void>;
}

// callbacks made promises: half the cost of FileHandle on this path
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const rename = promisify(fs.rename);
const unlink = promisify(fs.unlink);
const mkdir = promisify(fs.mkdir);

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
  rename,
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
};
