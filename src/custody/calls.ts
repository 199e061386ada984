/**
 * The port to the disk for wrapped files: one method for each call that the kernel gets, so that a test can
 * count them, fail them, or stop at one.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { lockDescriptor } from '../edge/lock.ts';
import { WrappedFileError } from './wrappedfile.ts';

export interface NewFile {
  write(bytes: Buffer): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Calls {
  /** Locks a directory itself, so that no file is left there; undefined if another process has the lock. */
  lock(directory: string): { release(): void } | undefined;
  list(directory: string): Promise<string[]>;
  /**
   * Returns the first `most` bytes and one more, if there is one; undefined if nothing has that name. Throws
   * WrappedFileError for what is no file.
   */
  read(path: string, most: number): Promise<Buffer | undefined>;
  /** Makes a file for its owner alone. Fails with EEXIST where something has that name. */
  create(path: string): Promise<NewFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  ownerOf(directory: string): Promise<{ readonly uid: number; readonly gid: number }>;
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

export const realCalls: Calls = {
  lock(directory) {
    const fd = openSync(directory, O_RDONLY | O_DIRECTORY);
    let isHeld = false;
    try {
      isHeld = lockDescriptor(fd);
    } finally {
      if (!isHeld) closeSync(fd);
    }
    return isHeld ? { release: () => closeSync(fd) } : undefined;
  },
  list: (directory) => readdir(directory),
  async read(path, most) {
    // a link is not followed, and a named pipe not waited for
    const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) =>
      unlessMissing(error, path),
    );
    if (handle === undefined) return undefined;
    try {
      if (!(await handle.stat()).isFile()) throw new WrappedFileError(`${path} is no file`);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(most + 1), 0, most + 1, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  },
  async create(path) {
    const handle = await open(path, 'wx', 0o600);
    return {
      write: (bytes) => handle.writeFile(bytes),
      chown: (uid, gid) => handle.chown(uid, gid),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  rename,
  unlink,
  async syncDirectory(path) {
    const handle = await open(path, O_RDONLY | O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  ownerOf: (directory) => stat(directory),
};

function unlessMissing(error: unknown, path: string): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ELOOP') throw new WrappedFileError(`${path} is a link, which is not followed`);
  if (code !== 'ENOENT') throw error;
}
