/** Looks at paths, and says in words why one is not what it should be. Never throws. */
import { accessSync, constants, lstatSync, type Stats, statSync } from 'node:fs';
import { ownAccount, userText } from './accounts.ts';
import { placesOf } from './places.ts';

export interface Trouble {
  /** The end of a sentence that begins with the path. */
  readonly why: string;
  readonly isMissing: boolean;
  readonly isReadOnly?: boolean;
  /** The file or directory that this process may not use, if that is the trouble. */
  readonly closed?: string;
}

/** Returns what a path leads to, or why that cannot be said. */
export function look(path: string): Stats | Trouble {
  return attempt(path, () => statSync(path));
}

/** Does the same without following a link at the end. */
export function lookAtLink(path: string): Stats | Trouble {
  return attempt(path, () => lstatSync(path));
}

/** Returns why a path is no directory, or undefined if it is one. */
export function troubleWithDirectory(path: string): Trouble | undefined {
  const seen = look(path);
  if ('why' in seen) return seen;
  return seen.isDirectory() ? undefined : { why: `is ${kindOf(seen)}, not a directory`, isMissing: false };
}

/** Returns why this process may not use a path as `wanted` (of constants.R_OK, W_OK, X_OK), or undefined. */
export function troubleWithUse(path: string, wanted: number): Trouble | undefined {
  const tried = attempt(path, () => accessSync(path, wanted));
  return tried === undefined ? undefined : tried;
}

/** Names what a path leads to. */
export function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a named pipe';
  if (stats.isSocket()) return 'a socket';
  if (stats.isSymbolicLink()) return 'a link';
  return 'a device';
}

function attempt<T>(path: string, call: () => T): T | Trouble {
  try {
    return call();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return code === 'EACCES'
      ? closedTrouble(path)
      : { why: reasonOf(path, code), isMissing: code === 'ENOENT', isReadOnly: code === 'EROFS' };
  }
}

function reasonOf(path: string, code: string): string {
  if (code === 'ENOENT') return isLink(path) ? 'is a link to nothing' : 'does not exist';
  if (code === 'ELOOP') return 'is a link that leads back to itself';
  if (code === 'ENOTDIR') return 'cannot exist: a part of its path is not a directory';
  if (code === 'EROFS') return 'is on a file system that is mounted read-only';
  return `cannot be used (${code})`;
}

function closedTrouble(path: string): Trouble {
  const directory = closedDirectory(path);
  const who = userText(ownAccount().uid);
  if (directory === undefined) return { why: `is closed to ${who}`, isMissing: false, closed: path };
  const why = `is behind ${directory}, which is closed to ${who}`;
  return { why, isMissing: false, closed: directory };
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Returns the directory on the way that this process may not pass. */
function closedDirectory(path: string): string | undefined {
  const directories = [...placesOf(path)].filter(({ stats, isLast }) => stats.isDirectory() && !isLast);
  return directories.find((each) => !maySearch(each.path))?.path;
}

function maySearch(directory: string): boolean {
  try {
    accessSync(directory, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
