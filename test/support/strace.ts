// strace for two purposes: to read which bytes a program hands to the kernel and where they go, and to make
// calls fail.

import { readFile } from 'node:fs/promises';
import { start } from './process.ts';

/** Calls that carry bytes out of the process. */
const CARRYING = ['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendto', 'sendmsg', 'sendmmsg'];
/** Calls that move bytes past our eyes: wanted never. */
const HIDDEN = ['sendfile', 'splice', 'tee', 'vmsplice', 'copy_file_range', 'io_uring_enter', 'io_submit'];
/** From Node 22 on, libuv makes some calls through io_uring, unless the kernel has none. */
const NO_IO_URING = 'inject=io_uring_setup:error=ENOSYS';

/** Returns the arguments of strace that come before a program. Its children are followed too. */
export function straceInto(file: string): string[] {
  const calls = [...CARRYING, ...HIDDEN, 'io_uring_setup', 'mmap'].join();
  return [
    '-f',
    '-y',
    '-xx',
    '-s',
    String(16 * 1024 * 1024),
    '-e',
    `trace=${calls}`,
    '-e',
    NO_IO_URING,
    '-e',
    'signal=none',
    '-o',
    file,
  ];
}

export interface Traced {
  /** Where the bytes went: a path, or for instance `socket:[123]`. */
  readonly to: string;
  readonly bytes: Buffer;
}

export interface Trace {
  readonly written: readonly Traced[];
  /** Lines of calls whose bytes strace does not show. */
  readonly hidden: readonly string[];
}

export async function readTrace(file: string): Promise<Trace> {
  const pieces = new Map<string, Buffer[]>();
  const hidden: string[] = [];
  for (const line of (await readFile(file, 'latin1')).split('\n')) {
    const [, call = '', rest = ''] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? [];
    if (HIDDEN.includes(call) || isSharedMapping(call, rest)) hidden.push(line);
    if (!CARRYING.includes(call)) continue;
    const [, to = ''] = /^\d+<((?:\\x..)*)>/.exec(rest) ?? [];
    const path = bytesOf(to).toString();
    pieces.set(path, [...(pieces.get(path) ?? []), ...stringsIn(rest)]);
  }
  return { written: [...pieces].map(([to, bytes]) => ({ to, bytes: Buffer.concat(bytes) })), hidden };
}

/**
 * Tells whether a call maps a file for writing: memory stored there reaches the file without another call.
 */
function isSharedMapping(call: string, rest: string): boolean {
  return (
    call === 'mmap' &&
    rest.includes('MAP_SHARED') &&
    rest.includes('PROT_WRITE') &&
    !rest.includes('MAP_ANON')
  );
}

function stringsIn(text: string): Buffer[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, escaped = '']) => bytesOf(escaped));
}

function bytesOf(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll('\\x', ''), 'hex');
}

/** Calls of some threads that fail until `end`. */
export interface Injection {
  /** Lets go of the threads. Resolves to the calls that failed, as strace writes them, with paths. */
  end(): Promise<string[]>;
}

/**
 * Makes calls fail. `what` is as in `strace -e inject=`, for instance `fsync:error=EIO:when=1`; each thread
 * counts its own calls. `only` restricts it to calls on this path.
 */
export async function inject(threads: readonly number[], what: string, only?: string): Promise<Injection> {
  const path = only === undefined ? [] : ['-P', only];
  const args = [
    ...['-y', '-e', 'signal=none', '-e', `trace=${what.split(':')[0]}`, '-e', `inject=${what}`],
    ...path,
    ...threads.flatMap((thread) => ['-p', String(thread)]),
  ];
  const isAttached = (output: string) => output.split(' attached\n').length > threads.length;
  const strace = await start('strace', args, { ready: isAttached });
  return {
    async end() {
      await strace.stop();
      return strace
        .output()
        .split('\n')
        .filter((line) => line.endsWith('(INJECTED)'));
    },
  };
}
