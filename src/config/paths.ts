// Finds settings by their paths, as `lmtp.listen`: all of them in order, their parts, their defaults.
// Knows the table of settings.ts, and no file.

import {
  type Context,
  type FromMachine,
  type Path,
  type Setting,
  type Settings,
  table,
  type Written,
} from './settings.ts';

export const entries: readonly (readonly [Path, Setting])[] = Object.entries(table) as [Path, Setting][];

/** Splits a path: `lmtp.listen` is ['lmtp', 'listen'], `hostname` is ['', 'hostname']. */
export function splitPath(path: string): readonly [section: string, key: string] {
  const dot = path.indexOf('.');
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

/** Nests the values of all paths. Only here does the compiler have to trust us about the shape. */
export function nest(values: ReadonlyMap<Path, unknown>): Settings {
  const root: Record<string, unknown> = {};
  const tables = new Map<string, Record<string, unknown>>([['', root]]);
  for (const [path, value] of values) {
    const [section, key] = splitPath(path);
    const parent = tables.get(section) ?? {};
    if (!tables.has(section)) root[section] = parent;
    tables.set(section, parent);
    parent[key] = value;
  }
  return root as Settings;
}
