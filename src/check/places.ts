/**
 * The places on the way from the root to the end of a path: directories, and links with what they lead to.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** A place on the way, with the directory that it is in. */
export interface Place {
  readonly path: string;
  readonly stats: Stats;
  readonly parent: Stats;
  readonly isLast: boolean;
}

const MOST_LINKS = 40;

/** Yields each place on the way from the root; ends early where the way cannot be followed. */
export function* placesOf(path: string): Generator<Place> {
  let at = '/';
  let parent = lstatSync(at);
  let links = 0;
  const ahead = path.split('/').filter((part) => part !== '');
  for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
    const here = join(at, part);
    const stats = attempt(() => lstatSync(here));
    if (stats === undefined) return;
    yield { path: here, stats, parent, isLast: ahead.length === 0 && !stats.isSymbolicLink() };
    if (!stats.isSymbolicLink()) {
      at = here;
      parent = stats;
      continue;
    }
    if (++links > MOST_LINKS) return;
    const target = attempt(() => readlinkSync(here));
    if (target === undefined) return;
    ahead.unshift(...target.split('/').filter((each) => each !== ''));
    if (!isAbsolute(target)) continue;
    at = '/';
    parent = lstatSync(at);
  }
}

function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
