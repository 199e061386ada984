/**
 * Lists what is in files and folders before any of it is opened. Links below the paths that were given are
 * not followed: they are troubles, as is all that is no file and no folder.
 */
import { lstat, readdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { visiblePath } from '../../core/visible.ts';
import { CommandError } from '../errors.ts';
import { bytesOf, isOfServer, pathOf } from './names.ts';

export interface Item {
  readonly from: string;
  /** The folder below the target; '' is the target itself. */
  readonly folder: string;
  readonly name: string;
  readonly kind: 'mail' | 'file';
  readonly bytes: number;
}

export interface Trouble {
  readonly path: string;
  readonly why: string;
}

export interface Survey {
  readonly folders: string[];
  readonly items: Item[];
  readonly troubles: Trouble[];
  /** Files that are left out on purpose. */
  readonly leftOut: string[];
}

/** Lists all paths. A folder that is alone becomes the target itself, others get a folder in it. */
export async function survey(paths: readonly string[], target: string): Promise<Survey> {
  const found: Survey = { folders: [''], items: [], troubles: [], leftOut: [] };
  const names = new Set<string>();
  for (const argument of paths) {
    const path = bytesOf(argument);
    const real = await realpath(pathOf(path), { encoding: 'latin1' }).catch((error: Error) => {
      found.troubles.push({ path, why: error.message });
    });
    if (real === undefined) continue;
    const stats = await lstat(pathOf(real));
    const name = basename(stats.isDirectory() ? real : path);
    if (names.has(name))
      throw new CommandError('usage', `two paths would both become ${visiblePath(name)} in DIR`);
    names.add(name);
    if (!stats.isDirectory()) await look(found, { from: real, folder: '', name, kind: 'file' });
    else if (`${target}/`.startsWith(`${real}/`))
      throw new CommandError('usage', `${visiblePath(path)} contains the directory of --into`);
    else await walk(found, real, paths.length === 1 ? '' : name, 'file');
  }
  return found;
}

async function walk(found: Survey, from: string, folder: string, kind: Item['kind']): Promise<void> {
  const names = await readdir(pathOf(from), { encoding: 'latin1' }).catch((error: Error) => {
    found.troubles.push({ path: from, why: error.message });
  });
  if (names === undefined) return;
  if (folder !== '') found.folders.push(folder);
  const isMaildir = names.includes('cur') && names.includes('new');
  if (isMaildir && !names.includes('tmp')) found.folders.push(join(folder, 'tmp'));
  for (const name of names.sort()) {
    const path = join(from, name);
    if (isMaildir && name === 'tmp') {
      found.folders.push(join(folder, name));
      for (const each of await readdir(pathOf(path), { encoding: 'latin1' }).catch(() => []))
        found.leftOut.push(join(path, each));
    } else if (isMaildir && isOfServer(name)) found.leftOut.push(path);
    else await look(found, { from: path, folder, name, kind: isMaildir && isMail(name) ? 'mail' : kind });
  }
}

function isMail(name: string): boolean {
  return name === 'cur' || name === 'new';
}

async function look(found: Survey, item: Omit<Item, 'bytes'>): Promise<void> {
  try {
    const stats = await lstat(pathOf(item.from));
    if (stats.isDirectory()) await walk(found, item.from, join(item.folder, item.name), item.kind);
    else if (stats.isFile()) found.items.push({ ...item, bytes: stats.size });
    else {
      const why = stats.isSymbolicLink() ? 'is a link, which is not followed' : 'is no file';
      found.troubles.push({ path: item.from, why });
    }
  } catch (error) {
    found.troubles.push({ path: item.from, why: (error as Error).message });
  }
}
