/**
 * Opens files of the state directory. Only a regular file of our own is ever read or written there: no link
 * that somebody planted is followed, and no FIFO waited for.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';

const { O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a file, with `flags` of open(2). Makes it with mode 0600 if O_CREAT is among them. Returns its
 * descriptor.
 */
export function openOwn(path: string, flags: number): number {
  const fd = openThere(path, flags);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error(`${path} is no regular file`);
    if (stats.uid !== process.geteuid?.()) throw new Error(`${path} belongs to another user`);
    if (stats.nlink > 1) throw new Error(`${path} has another name as well (a hard link)`);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A directory, a link, or a named pipe without a reader. */
const NO_FILE: readonly unknown[] = ['EISDIR', 'ELOOP', 'ENXIO'];

function openThere(path: string, flags: number): number {
  try {
    return openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    if (NO_FILE.includes((error as NodeJS.ErrnoException).code))
      throw new Error(`${path} is no regular file`);
    throw error;
  }
}
