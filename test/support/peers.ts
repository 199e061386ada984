// Finds foreign programs, and decides what happens to a test whose program is missing.
//
// On a developer's machine the test is skipped, with a sentence that names the program. With
// SEALDIR_REQUIRE_PEERS=1 (.ci/run) it is an error, so that nothing is left out there without notice.

import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './shared.ts';

// Daemons live in sbin, which is not on every user's PATH.
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Returns the absolute path of a program, or undefined. */
export function programPath(name: string): string | undefined {
  const { PATH = '' } = process.env;
  const directories = [...PATH.split(':'), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

export function hasProgram(name: string): boolean {
  return programPath(name) !== undefined;
}

/** Returns options for node:test. The name `root` stands for uid 0 and not for a program. */
export function needs(...programs: readonly string[]): { skip: string | false } {
  return leftOutFor(
    programs.filter((name) => (name === 'root' ? process.getuid?.() !== 0 : !hasProgram(name))),
  );
}

/** Does the same for a test with an npm package that is installed only where it is wanted. */
export function needsPackage(name: string): { skip: string | false } {
  const isThere = existsSync(join(repositoryRoot(), 'node_modules', name, 'package.json'));
  return leftOutFor(isThere ? [] : [`npm install --no-save ${name}`]);
}

/** Does the same for a test that opens many sockets. Node itself raises its limit up to `ulimit -Hn`. */
export function needsDescriptors(count: number): { skip: string | false } {
  const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return leftOutFor(Number(limit) < count ? [`ulimit -n ${count}`] : []);
}

function leftOutFor(missing: readonly string[]): { skip: string | false } {
  if (missing.length === 0) return { skip: false };
  return leftOut(missing.join(', '));
}

/** Does the same for a lack that only a try has shown. */
export function leftOut(missing: string): { skip: string } {
  const sentence = `left out: needs ${missing}`;
  const { SEALDIR_REQUIRE_PEERS } = process.env;
  if (SEALDIR_REQUIRE_PEERS === '1') throw new Error(`SEALDIR_REQUIRE_PEERS=1, but ${sentence}`);
  return { skip: sentence };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
