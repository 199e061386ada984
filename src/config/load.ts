// Turns a configuration file into Settings, or into the list of everything that is wrong with it, line by
// line. Promises: every mistake is reported at once, except that a syntax error hides the others; an unknown
// name is a mistake; no message is longer than a line or shows more than 80 characters of a value. Knows no
// setting by name (settings.ts does) and touches no file but this one.

import { readFile } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import { visible } from '../core/visible.ts';
import { combinationProblems } from './combinations.ts';
import { readValue } from './kinds.ts';
import { defaultOf, entries, nest, sections, valueAt } from './paths.ts';
import type { Context, Setting } from './setting.ts';
import type { Path, Settings } from './settings.ts';
import { mostSimilar } from './similar.ts';
import { isTable, readToml, type TomlTable } from './toml.ts';

/** `line` counts from 1; 0 stands for the file as a whole. */
export type ConfigError = { readonly file: string; readonly line: number; readonly message: string };
export type Loaded =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** `path` leads to the value in question; an empty path stands for the file as a whole. */
type Finding = { readonly path: readonly string[]; readonly message: string };

export function formatError(error: ConfigError): string {
  return `${error.file}:${error.line === 0 ? '' : `${error.line}:`} ${error.message}`;
}

export async function loadSettings(file: string, context: Context): Promise<Loaded> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    return failed([{ file, line: 0, message: `cannot be read: ${reasonOf(error)}` }]);
  }
  // TOML v1.0.0, "Spec": a TOML file must be a valid UTF-8 encoded Unicode document.
  const text = bytes.toString('utf8');
  if (!bytes.equals(Buffer.from(text, 'utf8'))) {
    return failed([{ file, line: 0, message: 'is not UTF-8 text' }]);
  }
  return parseSettings(text, file, context);
}

/** Reads all settings from `text`, with defaults for the missing ones. `file` only appears in errors. */
export function parseSettings(text: string, file: string, context: Context): Loaded {
  const toml = readToml(text);
  if (!toml.ok) return failed([{ file, line: toml.line, message: toml.message }]);

  const findings = misplacedNames(toml.table);
  const values = new Map<Path, unknown>();
  for (const [path, setting] of entries) {
    const written = valueAt(toml.table, path);
    const result = readValue(setting.kind, written ?? defaultOf(setting, context));
    if (result.ok) values.set(path, result.value);
    else if (written === undefined) findings.push(badDefault(path, setting, context));
    else {
      for (const problem of result.problems) {
        const at = problem.at.map(String);
        const message = `${path}: ${show(valueIn(written, at))} ${problem.message}`;
        findings.push({ path: [...path.split('.'), ...at], message });
      }
    }
  }
  const settings = findings.length === 0 ? nest(values) : undefined;
  if (settings !== undefined) findings.push(...combinationProblems(settings));
  if (settings !== undefined && findings.length === 0) return { ok: true, settings };

  const errors = findings.map(({ path, message }) => {
    return { file, line: path.length === 0 ? 0 : toml.lineOf(path), message };
  });
  return failed(errors.sort((a, b) => a.line - b.line));
}

function failed(errors: readonly ConfigError[]): Loaded {
  return { ok: false, errors };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
  return getSystemErrorMap().get(error.errno)?.[1] ?? error.message;
}

function valueIn(written: unknown, at: readonly string[]): unknown {
  const [index] = at;
  return index !== undefined && Array.isArray(written) ? written[Number(index)] : written;
}

/**
 * Reports a default that is not valid. A test proves that those of the table are; the machine's may not be.
 */
function badDefault(path: Path, setting: Setting, context: Context): Finding {
  const what = `${show(defaultOf(setting, context))}, the value of this machine, is not a ${setting.kind.name}`;
  return { path: [], message: `${path}: ${what}; set ${path} yourself` };
}

/** Looks through a table and those in it; `within` leads to it. */
function misplacedNames(table: TomlTable, within: readonly string[] = []): Finding[] {
  return Object.entries(table).flatMap(([key, value]): Finding[] => {
    const path = [...within, key];
    const name = path.join('.');
    // a quoted key with a dot in it is no path
    const isKnown = !key.includes('.');
    if (isKnown && entries.some(([known]) => known === name)) return [];
    if (!isKnown || !sections.includes(name))
      return [isTable(value) ? unknownTable(path) : unknownSetting(path)];
    if (isTable(value)) return misplacedNames(value, path);
    return [{ path, message: `${name}: ${show(value)} is not a table (write [${name}])` }];
  });
}

function unknownSetting(path: readonly string[]): Finding {
  const known = entries.map(([name]) => name);
  const similar = mostSimilar(path.join('.'), known);
  const hint = similar === undefined ? '' : `, did you mean ${similar}?`;
  return { path, message: `unknown setting ${path.map(showKey).join('.')}${hint}` };
}

function unknownTable(path: readonly string[]): Finding {
  const similar = mostSimilar(path.join('.'), sections);
  const outer = sections.filter((name) => !name.includes('.'));
  const hint =
    similar === undefined ? `; the tables are ${outer.join(', ')}` : `, did you mean [${similar}]?`;
  return { path, message: `unknown table [${path.map(showKey).join('.')}]${hint}` };
}

function showKey(key: string): string {
  return /^[A-Za-z0-9_-]{1,80}$/.test(key) ? key : show(key);
}

/** Shows a value as text: one printable line of at most 80 characters. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : 'an array';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a table';
  if (typeof value !== 'string') return String(value);
  // no password of a URL
  const shown = value.replace(/(:\/\/[^/@\s]*:)\S+@/, '$1...@').replace(/([?&]password=)[^&\s]*/gi, '$1...');
  const printable = visible(JSON.stringify(shown.slice(0, 100)));
  return printable.length <= 80 ? printable : `${printable.slice(0, 78).replace(/[\uD800-\uDBFF]$/, '')}…"`;
}
