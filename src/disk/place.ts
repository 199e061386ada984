/**
 * Finds out on which file system a path is, so that a call about a file system only ever uses that file
 * system's threads. The walk goes down name by name, and where it has come to tells whose share the next
 * call is under. A mount point is recognised by its path (mounts.ts) and not touched. Any other
 * name is asked once whether it is a link, since a link may lead anywhere.
 */
import { join } from 'node:path';
import { MAX_LINKS } from '../core/links.ts';
import type { FileCalls } from './calls.ts';
import type { FileSystem } from './filesystem.ts';

/** Where a path leads. */
export interface Place {
  readonly fileSystem: FileSystem;
  /** The directory itself, or the nearest one above it that is there; without links. */
  readonly path: string;
  /** `unknown`: a call failed, so that the next walk is to ask again. */
  readonly isThere: 'yes' | 'no' | 'unknown';
}

/** What a walk has to know of the mounts. */
export interface MountTable {
  /** Returns the file system that is mounted on a path; undefined if that is no mount point. */
  mountedOn(path: string): FileSystem | undefined;
  /** Returns the place of a path that has no links in it. */
  at(path: string): Place;
  readlink: FileCalls['readlink'];
}

/** Walks on from a place. Never fails: where nothing more can be found out, that is the place. */
export async function walk(from: Place, path: string, mounts: MountTable): Promise<Place> {
  let place = from;
  let links = 0;
  const names = path.split('/').reverse();
  for (let name = names.pop(); name !== undefined && place.isThere === 'yes'; name = names.pop()) {
    if (name === '' || name === '.') continue;
    const next = join(place.path, name);
    const mounted = mounts.mountedOn(next);
    if (name === '..') place = mounts.at(next);
    else if (mounted !== undefined) place = { fileSystem: mounted, path: next, isThere: 'yes' };
    else {
      const found = await linkAt(next, place, mounts);
      if (found === 'noLink') place = { ...place, path: next };
      else if (found === 'unknown') place = { ...place, isThere: 'unknown' };
      else if (found === 'missing' || ++links > MAX_LINKS) place = { ...place, isThere: 'no' };
      else {
        names.push(...found.target.split('/').reverse());
        if (found.target.startsWith('/')) place = mounts.at('/');
      }
    }
  }
  return place;
}

async function linkAt(path: string, { fileSystem }: Place, mounts: MountTable) {
  try {
    return { target: await fileSystem.threads.run(() => mounts.readlink(path)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EINVAL') return 'noLink';
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unknown';
  }
}
