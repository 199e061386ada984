/**
 * fs-ext, and the only file that knows it: flock(2), never waited for, since a waiting one
 * holds a thread of libuv's pool; and never in a worker thread, where the package aborts.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';

// CommonJS without types; this is all we use of it
const { flockSync } = createRequire(import.meta.url)('fs-ext') as {
  flockSync(fd: number, flags: 'exnb'): void;
};

/** Takes the lock file, or returns undefined when another process has it. Released on close or when we die. */
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
