// Compares a new configuration with the running one: what the server can take over, and what needs a restart.

import { isDeepStrictEqual } from 'node:util';
import { entries, nest, valueAt } from './paths.ts';
import type { Path, Settings } from './settings.ts';

export type Change = {
  /** The new settings, except that those that need a restart keep their old values. */
  readonly settings: Settings;
  /** Changed settings that are taken over. */
  readonly taken: readonly Path[];
  /** Changed settings that need a restart. */
  readonly waiting: readonly Path[];
};

export function changeOf(running: Settings, written: Settings): Change {
  const changed = entries.filter(
    ([path]) => !isDeepStrictEqual(valueAt(running, path), valueAt(written, path)),
  );
  const waiting = changed.filter(([, { restart }]) => restart).map(([path]) => path);
  const taken = changed.filter(([, { restart }]) => !restart).map(([path]) => path);
  const values = entries.map(
    ([path]) => [path, valueAt(waiting.includes(path) ? running : written, path)] as const,
  );
  return { settings: nest(new Map(values)), taken, waiting };
}
