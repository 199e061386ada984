// Which foreign programs are here, and what to do with a test whose program is not.
//
// On a developer's machine such a test is skipped with a sentence that names the program. Where
// SEALDIR_REQUIRE_PEERS=1 (.ci/run) it is an error: nothing is left out silently there.

import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';

// Daemons live in sbin, which is not on every user's PATH.
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The absolute path of a program, or undefined. */
export function programPath(name: string): string | undefined {
  const { PATH = '' } = process.env;
  const directories = [...PATH.split(':'), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

export function hasProgram(name: string): boolean {
  return programPath(name) !== undefined;
}

/** Options for node:test. The name `root` asks for uid 0 instead of a program. */
export function needs(...programs: readonly string[]): { skip: string | false } {
  return leftOutFor(
    programs.filter((name) => (name === 'root' ? process.getuid?.() !== 0 : !hasProgram(name))),
  );
}

/** The same for a test that opens many sockets; Node has raised its limit as far as it may (`ulimit -Hn`). */
export function needsDescriptors(count: number): { skip: string | false } {
  const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return leftOutFor(Number(limit) < count ? [`ulimit -n ${count}`] : []);
}

function leftOutFor(missing: readonly string[]): { skip: string | false } {
  if (missing.length === 0) return { skip: false };
  return leftOut(missing.join(', '));
}

/** The same for what only a try can tell. */
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
