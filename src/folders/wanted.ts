/** Which messages of a folder are to be sealed now, and which of them later, since they are drafts. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf } from '../inplace/calls.ts';
import { isDraft } from '../stored/drafts.ts';
import type { Waiting } from './due.ts';

export interface Wanted {
  readonly now: ReadonlySet<string>;
  readonly later: ReadonlySet<string>;
  /** When the first of those is old enough. */
  readonly laterAt: number;
}

/** A draft waits until nobody has touched it for so long: clients replace it again and again. */
export async function wantedOf(waiting: Waiting, nowMs: number, draftsAfterMs: number): Promise<Wanted> {
  const { place, names, sinceMs } = waiting;
  const now = new Set<string>();
  const later = new Set<string>();
  let laterAt = Number.POSITIVE_INFINITY;
  for (const part of ['new', 'cur'])
    for (const name of await readdir(bytesOf(join(place.path, part)), { encoding: 'latin1' })) {
      if (name.startsWith('.') || names?.has(name) === false) continue;
      // ctime: its date is what the client said
      const changedMs = await lstat(bytesOf(join(place.path, part, name))).then(
        ({ ctimeMs }) => ctimeMs,
        () => undefined, // moved meanwhile
      );
      if (changedMs === undefined || (names === undefined && changedMs < sinceMs)) continue;
      const dueAt = isDraft(place.directory, name) ? changedMs + draftsAfterMs : nowMs;
      if (dueAt <= nowMs) now.add(name);
      else {
        later.add(name);
        laterAt = Math.min(laterAt, dueAt);
      }
    }
  return { now, later, laterAt };
}
