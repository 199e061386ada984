// Runs Linux' perf on a process and all its threads: samples of where it spends CPU time, in JavaScript,
// native code and the kernel, and counts of its system calls.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { programPath } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import type { Frame } from './profile-parts.ts';

/** With these Node writes /tmp/perf-PID.map, so that perf can tell the names of JavaScript functions. */
export const PERF_OPTIONS = '--perf-basic-prof --interpreted-frames-native-stack';

const PERF = programPath('perf') ?? 'perf';
const PER_SECOND = 997; // not in step with anything
const START_MS = 1000;
const PREFIX = 'syscalls:sys_enter_';
// those that a server or Node may make; not all there are, since each takes a descriptor for each thread
const CALLS =
  'read write readv writev pread64 pwrite64 recvfrom sendto recvmsg sendmsg accept4 shutdown setsockopt epoll_wait epoll_pwait epoll_ctl futex openat close fsync fdatasync sync_file_range rename renameat renameat2 link unlink mkdir newfstatat newfstat statx statfs mmap munmap mprotect madvise brk getrandom getpid gettid sched_yield io_uring_enter ioctl'.split(
    ' ',
  );

/** Records samples into `file` while `work` is under way. */
export async function record<T>(pid: number, file: string, work: () => Promise<T>): Promise<T> {
  const args = [
    'record',
    '-q',
    '-e',
    'cpu-clock',
    '-F',
    String(PER_SECOND),
    '-g',
    '-o',
    file,
    '-p',
    String(pid),
  ];
  return during(args, work).then(({ result }) => result);
}

/**
 * Counts system calls by name, and switches of threads, while `work` is under way. Empty where it may not.
 */
export async function countCalls<T>(pid: number, work: () => Promise<T>) {
  const { stdout } = await run(PERF, ['list', `${PREFIX}*`]);
  const known = new Set<string>(stdout.toString().match(new RegExp(`${PREFIX}\\w+`, 'g')));
  const events = CALLS.map((name) => `${PREFIX}${name}`).filter((event) => known.has(event));
  const args = ['stat', '-x', ',', '-e', [...events, 'context-switches'].join(','), '-p', String(pid)];
  const { result, errors } = await during(args, work);
  const counts = new Map<string, number>();
  for (const line of errors.split('\n')) {
    const [value = '', , event = ''] = line.split(',');
    if (event !== '' && /^\d+$/.test(value)) counts.set(event.replace(PREFIX, ''), Number(value));
  }
  return { result, counts };
}

async function during<T>(
  args: readonly string[],
  work: () => Promise<T>,
): Promise<{ result: T; errors: string }> {
  const perf = spawn(PERF, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(perf, 'close');
  let errors = '';
  perf.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  try {
    await pause(START_MS); // it does not say when it has begun
    if (perf.exitCode !== null) throw new Error(`perf: ${errors}`);
    const result = await work();
    perf.kill('SIGINT'); // it then writes what it has
    await ended;
    return { result, errors };
  } finally {
    perf.kill('SIGINT');
  }
}

export interface Sample {
  readonly thread: number;
  /** The innermost function first. */
  readonly stack: readonly Frame[];
}

export async function* samplesIn(file: string): AsyncGenerator<Sample> {
  const args = ['script', '-i', file, '-F', 'comm,tid,ip,sym,dso'];
  const script = spawn(PERF, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let thread = 0;
  let stack: Frame[] = [];
  for await (const line of createInterface(script.stdout)) {
    const [, symbol, from] = /^\s+[0-9a-f]+ (.*) \((.*?)\)$/.exec(line) ?? [];
    if (symbol !== undefined && from !== undefined) stack.push({ symbol, from });
    else if (line !== '') thread = Number(/(\d+)\s*$/.exec(line)?.[1]);
    else if (stack.length > 0) {
      yield { thread, stack };
      stack = [];
    }
  }
  if (stack.length > 0) yield { thread, stack };
}
