// What a server has open. Each of its threads has some descriptors for itself as long as it stays: those are
// no leak, and not counted.

import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

const OF_THREADS = /^anon_inode:|^pipe:|^\/proc\//;

/** Returns the number of sockets and files that a process has open. */
export function openDescriptors(pid: number): number {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).filter((fd) => {
    const target = targetOf(join(directory, fd));
    return target !== undefined && !OF_THREADS.test(target);
  }).length;
}

/** Undefined if it has been closed meanwhile. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
