// Which npm packages the Debian package carries: those that package.json wants at run time, and the drivers
// of recipient sources that need no compiler. Read from package-lock.json, with all that they need in turn.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const DRIVERS = ['@redis/client', 'ldapts', 'mysql2', 'pg'];

export interface Bundled {
  /** As in the lock: node_modules/a, or node_modules/a/node_modules/b. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** As npm writes it: "sha512-" and base64. */
  readonly integrity: string;
  readonly license: string;
}

export interface LockEntry {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** Lists what is carried, by path. `directory` has package-lock.json and node_modules. */
export function bundledIn(directory: string): Bundled[] {
  const { packages } = readJson<Lock>(join(directory, 'package-lock.json'));
  return [...wantedPaths(packages)].sort().map((path) => {
    const { version, integrity, license } = packages[path] ?? missing(path);
    if (integrity === undefined) throw new Error(`${path}: the lock has no checksum`);
    const own = () => readJson<{ license?: string }>(join(directory, path, 'package.json')).license;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return { path, name, version, integrity, license: license ?? own() ?? licenseFromText(directory, path) };
  });
}

/** Removes from node_modules what is not carried. Throws if something that is carried is not there. */
export function prune(directory: string): void {
  const wanted = wantedPaths(readJson<Lock>(join(directory, 'package-lock.json')).packages);
  for (const path of wanted) if (!existsSync(join(directory, path, 'package.json'))) missing(path);
  const isNeeded = (path: string) => [...wanted].some((each) => each === path || each.startsWith(`${path}/`));
  const visit = (modules: string) => {
    for (const name of readdirSync(join(directory, modules))) {
      const path = `${modules}/${name}`;
      if (!isNeeded(path)) rmSync(join(directory, path), { recursive: true });
      else if (name.startsWith('@')) visit(path);
      else if (existsSync(join(directory, path, 'node_modules'))) visit(`${path}/node_modules`);
    }
  };
  visit('node_modules');
}

function wantedPaths(packages: Lock['packages']): Set<string> {
  const roots = [...Object.keys(packages['']?.dependencies ?? {}), ...DRIVERS];
  const wanted = new Set<string>();
  const pending = roots.map((name) => resolveFrom('', name, packages) ?? missing(name));
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (wanted.has(path)) continue;
    wanted.add(path);
    const { dependencies = {}, optionalDependencies = {} } = packages[path] ?? missing(path);
    for (const name of Object.keys(dependencies)) {
      const found = resolveFrom(path, name, packages);
      if (found !== undefined) pending.push(found);
      else if (!Object.hasOwn(optionalDependencies, name)) missing(`${name}, which ${path} needs`);
    }
  }
  return wanted;
}

/** Finds a package as Node does: in the node_modules of the one that wants it, then further up. */
function resolveFrom(path: string, name: string, packages: Lock['packages']): string | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(at.lastIndexOf('node_modules/') - 1, 0))) {
    const candidate = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (Object.hasOwn(packages, candidate)) return candidate;
    if (at === '') return undefined;
  }
}

function licenseFromText(directory: string, path: string): string {
  const text = licenseTexts(join(directory, path)).join('\n');
  if (/\bMIT\b|Permission is hereby granted, free of charge/.test(text)) return 'MIT';
  throw new Error(`${path}: under which license is it?`);
}

/** Returns the texts of the license files of a package. */
export function licenseTexts(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
    .sort()
    .map((name) => readFileSync(join(directory, name), 'utf8').trim());
}

function missing(what: string): never {
  throw new Error(`${what} is missing`);
}

if (process.argv[1] === import.meta.filename) prune(process.argv[2] ?? '.');
