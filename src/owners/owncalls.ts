/** Calls that are made for a user otherwise than for the server's own files. */
import { constants, existsSync } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { realCalls } from '../disk/calls.ts';
import { isFolderName } from '../maildir/maildirs.ts';
import { MOST_NAMES } from './protocol.ts';

/** Tells whether a path is that of a folder in a Maildir (Maildir++). Anything else there is its user's. */
export function isFolder(path: string): boolean {
  return (
    isFolderName(basename(path)) &&
    existsSync(join(dirname(path), 'cur')) &&
    ['new', 'cur'].every((name) => existsSync(join(path, name)))
  );
}

/**
 * Syncs a directory as its user. One that the user may neither read nor write, such as a /home of root's with
 * mode 0711, has no name in it that was made by us.
 */
export async function syncOwn(path: string): Promise<void> {
  await realCalls.syncDirectory(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' || (await isWritable(path))) throw error;
  });
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    (error: NodeJS.ErrnoException) => !['EACCES', 'EROFS'].includes(error.code ?? ''),
  );
}

/** The names in a directory, some at a time. */
export class Listing {
  #path = '';
  #names: readonly string[] = [];

  /**
   * Returns the names from that number on, MOST_NAMES of them; none at the end. The first go reads them, and
   * keeps those alone that `isIt` accepts.
   */
  async namesFrom(
    path: string,
    from: number,
    isIt: (path: string) => boolean = () => true,
  ): Promise<readonly string[]> {
    if (from === 0 || path !== this.#path) {
      this.#names = (await readdir(path)).filter((name) => isIt(join(path, name)));
      this.#path = path;
    }
    const names = this.#names.slice(from, from + MOST_NAMES);
    if (names.length === 0) this.#names = [];
    return names;
  }
}
