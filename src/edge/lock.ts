/**
 * Lock files with flock(2), the one use of fs-ext. Nobody waits for a lock here, since a waiting call holds
 * a thread of libuv's pool. Never called in a worker thread: the package aborts the process there.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// CommonJS without types; the one function we use
interface FsExt {
  flockSync(fd: number, flags: 'exnb'): void;
}

const { flockSync } = load();

/** Loads the package. It is compiled for one version of Node, and Node's own words for that are a stack. */
function load(): FsExt {
  try {
    return createRequire(import.meta.url)('fs-ext') as FsExt;
  } catch (error) {
    const directory = fileURLToPath(new URL('../../..', import.meta.url));
    const what = `fs-ext is not built for Node ${process.version}: run "npm rebuild fs-ext" in ${directory}`;
    throw new Error(what, { cause: error });
  }
}

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
