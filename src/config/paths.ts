// Finds settings by their paths, as `lmtp.listen`: all of them in order, their parts, their defaults.
// Knows the table of settings.ts, and no file.

import type { Context, FromMachine, Setting, Written } from './setting.ts';
import { type Path, type Settings, table } from './settings.ts';

export const entries: readonly (readonly [Path, Setting])[] = Object.entries(table) as [Path, Setting][];

/** Splits a path at its last dot: `lmtp.listen` is ['lmtp', 'listen'], `hostname` is ['', 'hostname']. */
export function splitPath(path: string): readonly [section: string, key: string] {
  const dot = path.lastIndexOf('.');
  return [path.slice(0, Math.max(dot, 0)), path.slice(dot + 1)];
}

export const sections: readonly string[] = [
  ...new Set(entries.map(([path]) => splitPath(path)[0]).filter((section) => section !== '')),
];

export function defaultOf(setting: Setting, context: Context): Written {
  return isFromMachine(setting.default) ? context[setting.default.machine] : setting.default;
}

export function isFromMachine(value: Written | FromMachine): value is FromMachine {
  return typeof value === 'object' && 'machine' in value;
}

/** Returns what is at a path in nested tables, or undefined. */
export function valueAt(root: Readonly<Record<string, unknown>>, path: string): unknown {
  let at: unknown = root;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}

/** Nests the values of all paths. Only here does the compiler have to trust us about the shape. */
export function nest(values: ReadonlyMap<Path, unknown>): Settings {
  const root: Record<string, unknown> = {};
  const tables = new Map<string, Record<string, unknown>>([['', root]]);
  const tableAt = (section: string): Record<string, unknown> => {
    const known = tables.get(section);
    if (known !== undefined) return known;
    const table: Record<string, unknown> = {};
    const [above, name] = splitPath(section);
    tableAt(above)[name] = table;
    tables.set(section, table);
    return table;
  };
  for (const [path, value] of values) {
    const [section, key] = splitPath(path);
    tableAt(section)[key] = value;
  }
  return root as unknown as Settings;
}
