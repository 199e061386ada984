/** Calls that are made for a user otherwise than for the server's own files. */
import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { realCalls } from '../disk/calls.ts';
import { MOST_NAMES } from './protocol.ts';

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

  /** Returns the names from that number on, MOST_NAMES of them; none at the end. The first go reads them. */
  async namesFrom(path: string, from: number): Promise<readonly string[]> {
    if (from === 0 || path !== this.#path) {
      this.#names = await readdir(path);
      this.#path = path;
    }
    const names = this.#names.slice(from, from + MOST_NAMES);
    if (names.length === 0) this.#names = [];
    return names;
  }
}
