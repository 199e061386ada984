/**
 * Follows a path from the root to its end, links included, and finds where somebody else than the users we
 * trust may replace what it leads to: by writing to it, or by exchanging a directory or link on the way.
 * Access control lists are not looked at.
 */
import type { Stats } from 'node:fs';
import { groupText, userText } from './accounts.ts';
import { type Place, placesOf } from './places.ts';

/** A place where somebody may interfere. */
export interface Gap {
  readonly path: string;
  /** As the subject of a sentence. */
  readonly who: string;
  /** What mends it when the path is added. */
  readonly command: string;
}

const STICKY = 0o1000;

export class Trail {
  readonly #trusted: ReadonlySet<number>;
  readonly #seen = new Set<string>();

  /** `trusted`: numbers of the users who may write everywhere. */
  constructor(trusted: Iterable<number>) {
    this.#trusted = new Set(trusted);
  }

  /** Returns the gaps on the way to `path`, its end included, without those that an earlier call returned. */
  gaps(path: string): Gap[] {
    return [...placesOf(path)].flatMap((place) => this.#judge(place));
  }

  #judge(place: Place): Gap[] {
    if (this.#seen.has(place.path)) return [];
    this.#seen.add(place.path);
    return place.stats.isSymbolicLink() ? this.#judgeLink(place) : this.#judgeTarget(place);
  }

  /** A link cannot be written to; its owner may exchange it where the directory is open to all but sticky. */
  #judgeLink({ path, stats, parent }: Place): Gap[] {
    if ((parent.mode & STICKY) === 0 || (parent.mode & 0o022) === 0) return [];
    return this.#judgeOwner(path, stats);
  }

  #judgeTarget({ path, stats, isLast }: Place): Gap[] {
    // in a sticky directory nobody may exchange what others own; only the end of a path is open to new files
    const isSafe = stats.isDirectory() && !isLast && (stats.mode & STICKY) !== 0;
    const found = this.#judgeOwner(path, stats);
    if (isSafe || (stats.mode & 0o022) === 0) return found;
    const command = 'chmod go-w';
    if ((stats.mode & 0o002) !== 0) return [...found, { path, who: 'everybody', command }];
    return stats.gid === 0
      ? found
      : [...found, { path, who: `each member of ${groupText(stats.gid)}`, command }];
  }

  #judgeOwner(path: string, { uid }: Stats): Gap[] {
    if (this.#trusted.has(uid)) return [];
    return [{ path, who: userText(uid), command: 'chown -h root' }];
  }
}
