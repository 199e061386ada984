/**
 * Lock files with flock(2). Nobody waits for a lock here, since a waiting call holds a thread of libuv's
 * pool. Never called in a worker thread: fs-ext aborts the process there.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { fcntl, flockSync } from './fsext.ts';

/** Locks an open file exclusively, until it is closed; false if another process has it. */
export function lockDescriptor(fd: number): boolean {
  try {
    flockSync(fd, 'exnb');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}

/** Linux: fcntl(2). */
const F_SETLK = 6;
const F_WRLCK = 1;
const setLock = promisify(fcntl);

/**
 * Locks a whole open file for writing, for programs that use the locks of fcntl(2); false if another process
 * has it. The kernel releases it when this process closes any descriptor of that file.
 */
export async function lockRecords(fd: number): Promise<boolean> {
  try {
    await setLock(fd, F_SETLK, F_WRLCK);
    return true;
  } catch (error) {
    if (['EAGAIN', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

// a link is not followed, and a named pipe not waited for
const { O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Takes the lock file; returns undefined when another process has it. The kernel releases it when we die.
 * Throws where something else than a file is in its place.
 */
export function tryLock(path: string): { release(): void } | undefined {
  const fd = openSync(path, O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  let isHeld = false;
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path} is no file`);
    isHeld = lockDescriptor(fd);
  } finally {
    if (!isHeld) closeSync(fd);
  }
  if (!isHeld) return undefined;
  return {
    release() {
      if (isHeld) closeSync(fd);
      isHeld = false;
    },
  };
}
