// Child processes: `run` runs one to its end; `start` starts one that stays until `stop`.
//
// A started program leads a process group of its own. `stop` sends TERM to the leader, then KILL to the
// group, and returns when no member is left. What a failed test has left running is stopped after the last
// test of its file, which would not end otherwise. If the test process itself dies, even by SIGKILL, a guard
// process does the same: it waits for the end of a pipe that only the test process holds.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { after } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { programPath } from './peers.ts';
import { until } from './until.ts';

const OUTPUT_MS = 500;
/** Generous, since machines that run tests are busy, and only a test that fails waits this long. */
const READY_MS = 120_000;

/** What ends the programs that run. */
const running = new Set<() => Promise<number>>();

// bench/ starts programs, too, and is no test
if (process.env.NODE_TEST_CONTEXT !== undefined)
  after(async () => void (await Promise.all([...running].map((stop) => stop()))));

export interface RunOptions {
  stdin?: Uint8Array | string;
  /** Added to the environment of the test process. */
  env?: Record<string, string>;
  cwd?: string;
  /** For a test process whose effective user is another for a while. */
  uid?: number;
  timeoutMs?: number;
}

export interface Ran {
  /** The exit code, or 128 + the number of the signal that ended it. */
  code: number;
  stdout: Buffer;
  stderr: string;
}

/** Runs a program to its end. Rejects if it cannot be started or takes longer than `timeoutMs`. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const timeoutMs = options.timeoutMs ?? 240_000;
  const child = spawn(programPath(command) ?? command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    timeout: timeoutMs,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    killSignal: 'SIGKILL',
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program may end before it has read all its input. Its exit code tells whether that is a failure.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  await once(child, 'close');
  if (child.killed) throw new Error(`${command} did not end within ${timeoutMs} ms`);
  return { code: codeOf(child), stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

export interface StartOptions {
  /** Is called again and again, with the output so far and the process id, until it returns true. */
  ready: (output: string, pid: number) => boolean | Promise<boolean>;
  env?: Record<string, string>;
  cwd?: string;
  uid?: number;
  gid?: number;
  readyWithinMs?: number;
  /** Returns what a program has logged elsewhere, for the error if it does not become ready. */
  log?: () => string;
  /** How long `stop` waits after TERM before it sends KILL. */
  graceMs?: number;
}

export interface Running {
  pid: number;
  /** Returns standard output and standard error, in order of arrival. */
  output(): string;
  /** The exit code as in `Ran`. Never rejects. */
  ended: Promise<number>;
  /** Sends a signal to the leader alone, for crash tests. */
  signal(name: NodeJS.Signals): void;
  /** Ends the program. May be called twice, and after the program has ended on its own. */
  stop(): Promise<number>;
}

/** Starts a program and resolves when it is ready. If it ends or takes too long, rejects with its output. */
export async function start(
  command: string,
  args: readonly string[],
  options: StartOptions,
): Promise<Running> {
  const child = spawn(programPath(command) ?? command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const output = () => Buffer.concat(chunks).toString();
  const ended = new Promise<number>((resolve) => child.once('exit', () => resolve(codeOf(child))));
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await once(child, 'spawn');
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${command} has no pid`);
  const guard = guardGroup(pid);

  const stop = async (): Promise<number> => {
    running.delete(stop);
    if (!hasEnded(child)) {
      child.kill('SIGTERM');
      await until(`${command} ended after TERM`, () => isGroupGone(pid), options.graceMs).catch(
        () => undefined,
      );
    }
    if (!isGroupGone(pid)) signalGroup(pid, 'SIGKILL');
    await until(`no process of ${command} is left`, () => isGroupGone(pid));
    guard.kill('SIGKILL');
    // Its last output may still be in the pipes, which a process that has left the group may hold open.
    await Promise.race([closed, pause(OUTPUT_MS, undefined, { ref: false })]);
    child.stdout.destroy();
    child.stderr.destroy();
    return ended;
  };

  running.add(stop);
  try {
    await until(
      `${command} is ready`,
      async () => {
        if (hasEnded(child)) throw new Error(`${command} ended with ${codeOf(child)}`);
        return await options.ready(output(), pid);
      },
      options.readyWithinMs ?? READY_MS,
    );
  } catch (error) {
    await stop();
    throw new Error(`${command} did not start: ${output()}${options.log?.() ?? ''}`, { cause: error });
  }
  return { pid, output, ended, signal: (name) => void child.kill(name), stop };
}

/** Stops a program with SIGSTOP, and waits until none of its threads runs any more: that takes a moment. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const isStopped = (thread: string) =>
    / T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1').replace(/^.*\)/s, ''));
  await until(`${pid} is stopped`, () => readdirSync(`/proc/${pid}/task`).every(isStopped));
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function codeOf(child: ChildProcess): number {
  if (child.exitCode !== null) return child.exitCode;
  return 128 + (child.signalCode === null ? 0 : constants.signals[child.signalCode]);
}

// `-s TERM` is used since dash misreads `-TERM -- -123`.
const GUARD = 'read -r _; kill -s TERM -- "-$1" || exit 0; sleep 5; kill -s KILL -- "-$1"';

function guardGroup(pid: number): ChildProcess {
  const guard = spawn('sh', ['-c', GUARD, 'guard', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  return guard;
}

function signalGroup(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, name);
  } catch {
    return false;
  }
}

/**
 * Tells whether a process group has ended. Zombies do not count: in a container init may take a second to
 * reap them.
 */
function isGroupGone(pid: number): boolean {
  if (!signalGroup(pid, 0)) return true;
  if (isLivingMember(String(pid), pid)) return false; // it mostly ends last: no need to look at all others
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return !pids.some((member) => isLivingMember(member, pid));
}

function isLivingMember(member: string, group: number): boolean {
  try {
    // proc(5): pid (comm) state ppid pgrp ... comm itself may hold spaces and brackets.
    const [state, , pgrp] = readFileSync(`/proc/${member}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(pgrp) === group && state !== 'Z' && state !== 'X';
  } catch {
    return false; // it has ended since it was listed
  }
}
