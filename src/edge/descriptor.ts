/**
 * Makes writes to an inherited descriptor return at once, with fcntl(2) where it has to be (fs-ext). Knows
 * nothing of what is written.
 */
import { constants, fstatSync, openSync } from 'node:fs';
import { fcntlSync } from './fsext.ts';

// fcntl(2) on Linux
const F_GETFL = 3;
const F_SETFL = 4;

/**
 * Returns a descriptor of the same file whose writes fail with EAGAIN instead of waiting for a reader.
 *
 * O_NONBLOCK belongs to what was opened and not to the descriptor, so that to set it changes the descriptor
 * of every process that inherited the same. A pipe or a terminal is therefore opened once more. A socket
 * cannot be (journald gives one), nor can a pipe that another user made: there the flag is set. A regular
 * file never waits.
 */
export function withoutWaiting(fd: number): number {
  const stats = fstatSync(fd);
  if (stats.isFIFO() || stats.isCharacterDevice()) {
    try {
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      // not ours to open
    }
  }
  if (!stats.isFile()) fcntlSync(fd, F_SETFL, fcntlSync(fd, F_GETFL, 0) | constants.O_NONBLOCK);
  return fd;
}
