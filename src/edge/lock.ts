/**
 * Lock files with flock(2). Nobody waits for a lock here, since a waiting call holds a thread of libuv's pool.
 * Never called in a worker thread: fs-ext aborts the process there.
 */
import { closeSync, openSync } from 'node:fs';
import { flockSync } from './fsext.ts';

/** Takes the lock file; returns undefined when another process has it. The kernel releases it when we die. */
export function tryLock(path: string): { release(): void } | undefined {
  const fd = openSync(path, 'a', 0o600);
  try {
    flockSync(fd, 'exnb');
    let isHeld = true;
    return {
      release() {
        if (isHeld) closeSync(fd);
        isHeld = false;
      },
    };
  } catch (error) {
    closeSync(fd);
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
