// A journaled file system on a disk whose every write takes some milliseconds, as on a cloud disk or a small
// SSD: nbdkit (a disk in memory, its writes delayed) -> nbdfuse (the disk as a file) -> loop device (direct
// I/O) -> mkfs.
//
// Several writes may be under way at once, as on a real disk. What is written stays in memory until it is
// taken apart.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { hasProgram, programPath } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import { until } from '../test/support/until.ts';
import type { Bed } from './bed.ts';
import { FILE_SYSTEMS, type FileSystem } from './loopmount.ts';
import { guardMount } from './mountguard.ts';

const MOST_GIB = 8;
/** Writes under way at once. */
const NBDKIT_THREADS = 16;
const NBDFUSE_CONNECTIONS = 4;
const PROGRAMS = ['nbdkit', 'nbdfuse', 'fusermount3', 'losetup', 'mount', 'umount'];

export interface SlowDisk {
  /** Where it is mounted. */
  readonly directory: string;
  /** The programs that are the disk: they use processors that a real one would not. */
  readonly pids: readonly number[];
  /** Safe to call twice. */
  close(): Promise<void>;
}

/** Returns what is not there: programs, or the right to mount. */
export function missingForSlowDisk(fileSystem: FileSystem): string[] {
  const missing = [...PROGRAMS, `mkfs.${fileSystem}`].filter((name) => !hasProgram(name));
  return process.getuid?.() === 0 ? missing : ['root', ...missing];
}

/**
 * Makes one; nbdkit takes whole milliseconds. Rejects where it may not mount. Taken apart when the bed is
 * closed, at the latest.
 */
export async function mountSlow(bed: Bed, fileSystem: FileSystem, delayMs: number): Promise<SlowDisk> {
  const home = await bed.directory('slow');
  const directory = join(home, 'mnt');
  await mkdir(directory);
  await mkdir(join(home, 'fuse'));
  const takeApart = guardMount(directory, home);
  const making = make(home, directory, fileSystem, delayMs);
  const close = async () => {
    // an interruption may come in the middle: what is half made cannot be taken apart
    await making.catch(() => undefined);
    await takeApart();
  };
  bed.atEnd(close);
  await making;
  const pids = ['nbdkit', 'nbdfuse'].map((name) => Number(readFileSync(join(home, `${name}.pid`), 'utf8')));
  return { directory, pids, close };
}

async function make(
  home: string,
  mountPoint: string,
  fileSystem: FileSystem,
  delayMs: number,
): Promise<void> {
  const gib = Math.max(1, Math.min(MOST_GIB, Math.floor(totalmem() / 2 ** 30 / 3)));
  const socket = join(home, 'socket');
  const pidFile = (name: string) => join(home, `${name}.pid`);
  const threads = ['-t', String(NBDKIT_THREADS)];
  const disk = ['--filter=delay', 'memory', `${gib}G`, `delay-write=${delayMs}ms`];
  leave('nbdkit', ['-f', '-U', socket, '-P', pidFile('nbdkit'), ...threads, ...disk]);
  await until('nbdkit is ready', () => existsSync(pidFile('nbdkit')));
  const file = join(home, 'fuse/disk');
  const connections = ['-C', String(NBDFUSE_CONNECTIONS)];
  leave('nbdfuse', [...connections, '-P', pidFile('nbdfuse'), file, `nbd+unix:///?socket=${socket}`]);
  await until('nbdfuse is ready', () => existsSync(file) && existsSync(pidFile('nbdfuse')));
  const loop = await ran('losetup', '--direct-io=on', '-f', '--show', file);
  const { make: mkfs, mount } = FILE_SYSTEMS[fileSystem];
  const [program = '', ...options] = mkfs;
  await ran(program, ...options, loop);
  await ran('mount', '-o', mount, loop, mountPoint);
}

/**
 * Starts a program that outlives this one, until the guard ends it: the mount must be gone before its disk
 * is.
 */
function leave(program: string, args: readonly string[]): void {
  spawn(programPath(program) ?? program, args, { detached: true, stdio: 'ignore' }).unref();
}

async function ran(program: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout.toString().trim();
}
