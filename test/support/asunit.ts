// Starts the program as its systemd units would, by asunit.py, where no systemd runs.

import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from './child.ts';
import { leftOut, needs } from './peers.ts';
import { type Running, run, start } from './process.ts';
import { repositoryRoot } from './shared.ts';

export interface UnitOptions {
  /** The name of the unit's file. */
  readonly unit: string;
  /** The site's directory; the program is seen below it, since other users may not reach where it is. */
  readonly directory: string;
  /** The arguments of the program. */
  readonly args: readonly string[];
  /** UID:GID of User= and Group=. */
  readonly user?: string;
  /** Paths that the program may write to. */
  readonly writable: readonly string[];
  /** What the program alone sees in the place of something else, as FROM:TO. */
  readonly bind?: readonly string[];
  /** What LoadCredential= has elsewhere, as ID:PATH. */
  readonly credentials?: readonly string[];
  /** A Unix socket that it is given, and UID:GID of who may connect. */
  readonly socket?: { readonly path: string; readonly user: string };
}

// Debian's, which has Debian's packages; another may come first in the path
const PYTHON = '/usr/bin/python3';

/** Options for node:test. */
export async function needsUnits(): Promise<{ skip: string | false }> {
  const { skip } = needs('root', 'systemd-analyze');
  if (skip !== false) return { skip };
  const { code } = await run(PYTHON, ['-c', 'import seccomp']).catch(() => ({ code: 1 }));
  return code === 0 ? { skip: false } : leftOut('python3-seccomp');
}

export async function startUnit(options: UnitOptions): Promise<Running> {
  const [program = '', ...args] = await commandOfUnit(options);
  return start(program, args, { ready: (output) => output.includes('"msg":"listening"') });
}

/** Returns what starts it, in the foreground. */
export async function commandOfUnit(options: UnitOptions): Promise<string[]> {
  const { unit, directory, args, user, writable, bind = [], credentials = [], socket } = options;
  const program = join(directory, 'program');
  await mkdir(program, { recursive: true });
  const from = repositoryRoot();
  const given = [
    ...(user === undefined ? [] : ['--user', user]),
    ...writable.flatMap((path) => ['--rw', path]),
    ...[`${from}:${program}`, ...bind].flatMap((pair) => ['--bind', pair]),
    ...credentials.flatMap((pair) => ['--credential', pair]),
    ...(socket === undefined ? [] : ['--fd', `3:${socket.path}`, '--socket-user', socket.user]),
  ];
  const cli = CLI.replace(from, program);
  const script = join(from, 'test/support/asunit.py');
  const path = join(from, 'systemd', unit);
  return [PYTHON, script, path, ...given, '--', process.execPath, cli, ...args];
}

/** What the kernel says of a process, such as `Uid` or `CapEff`. */
export function statusOf(pid: number, name: string): string {
  const [, value = ''] =
    new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return value;
}
