/** Files that Dovecot writes to as well: opened, and locked in each way that it may use. */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { lockDescriptor, lockRecords } from '../edge/lock.ts';

export interface LockedFile {
  /** Returns what is in it, up to so many bytes. */
  content(most?: number): Promise<Buffer>;
  /** Writes at a place, or at the end. */
  write(bytes: Buffer, at: number | 'end'): Promise<void>;
  /** Gives the lock back. No other descriptor of this file may be closed before, or that does it too. */
  close(): Promise<void>;
}

/** Dovecot has a lock for the time of a few writes. */
const TRIES = 1000;
const TRY_MS = 10;
const MOST_REOPENED = 20;
// a link is not followed, and a named pipe not waited for
const READ_WRITE = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Undefined if there is none. Another file may take its place while we wait, and is opened then. */
export async function openLocked(path: Buffer): Promise<LockedFile | undefined> {
  for (let n = 0; n < MOST_REOPENED; n++) {
    const file = await open(path, READ_WRITE).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    let isKept = false;
    try {
      await lock(file, path);
      const [mine, there] = await Promise.all([file.stat(), lstat(path).catch(() => undefined)]);
      isKept = mine.isFile() && mine.ino === there?.ino && mine.dev === there.dev;
    } finally {
      if (!isKept) await file.close();
    }
    if (isKept) return lockedFileOf(file);
  }
  throw new Error(`${path} is replaced again and again`);
}

function lockedFileOf(file: FileHandle): LockedFile {
  return {
    async content(most = Number.POSITIVE_INFINITY) {
      const length = Math.min((await file.stat()).size, most);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    },
    async write(bytes, at) {
      await file.write(bytes, 0, bytes.length, at === 'end' ? (await file.stat()).size : at);
    },
    close: () => file.close(),
  };
}

async function lock(file: FileHandle, path: Buffer): Promise<void> {
  for (let n = 0; !((await lockRecords(file.fd)) && lockDescriptor(file.fd)); n++) {
    if (n === TRIES) throw new Error(`${path} is locked by another program`);
    await wait(TRY_MS);
  }
}
