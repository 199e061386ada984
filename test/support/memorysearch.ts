// Looks for a secret in the memory, the arguments and the environment of all other processes. It is a program
// of its own, since it knows the secret: no test has it, which would then be found itself.
//
// usage: node memorysearch.js FILE [PID]
//
// FILE has the secret. With PID it waits until that process has the secret in its memory, and stops it while
// it looks at the others. Writes one line of JSON, a MemorySearch.

import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { until } from './until.ts';

export interface MemorySearch {
  /** Processes that have the secret, but for this one and the one that was named. */
  readonly found: readonly { readonly pid: number; readonly name: string; readonly where: string }[];
  /** Arguments and environment of the one that was named, if the secret stands there. */
  readonly shown: readonly string[];
  /** Processes whose memory was read. */
  readonly processes: number;
  /** Names of those whose memory is closed to root, but for the threads of the kernel, which have none. */
  readonly closed: readonly string[];
  readonly bytes: number;
}

const BLOCK_BYTES = 1024 * 1024;

/** Tells whether this process may read the memory of others. */
export function mayReadMemory(): boolean {
  try {
    closeSync(openSync(`/proc/${process.ppid}/mem`, 'r'));
    return true;
  } catch {
    return false;
  }
}

class Search {
  readonly #forms: readonly Buffer[];
  readonly #block = Buffer.alloc(2 * BLOCK_BYTES);
  bytes = 0;

  constructor(secret: string) {
    const base64 = Buffer.from(secret).toString('base64').slice(0, 16);
    const hex = Buffer.from(secret).toString('hex');
    const utf16 = Buffer.from(secret, 'utf16le');
    this.#forms = [Buffer.from(secret), Buffer.from(base64), Buffer.from(hex), utf16];
  }

  isIn(bytes: Buffer): boolean {
    return this.#forms.some((form) => bytes.includes(form));
  }

  /** Looks at all memory that can be written to, or is of no file. What has gone meanwhile is left out. */
  isInMemoryOf(pid: number): boolean {
    const fd = openSync(`/proc/${pid}/mem`, 'r');
    try {
      return rangesOf(pid).some(([from, to]) => this.#isBetween(fd, from, to));
    } finally {
      closeSync(fd);
    }
  }

  #isBetween(fd: number, from: number, to: number): boolean {
    const overlap = Math.max(...this.#forms.map(({ length }) => length));
    for (let at = from; at < to; at += BLOCK_BYTES) {
      const wanted = Math.min(BLOCK_BYTES + overlap, to - at);
      const read = attempt(() => readSync(fd, this.#block, 0, wanted, at)) ?? 0;
      this.bytes += read;
      if (this.isIn(this.#block.subarray(0, read))) return true;
    }
    return false;
  }
}

/** From /proc/PID/smaps: ranges of memory that are there, and that somebody may have written to. */
function rangesOf(pid: number): [number, number][] {
  const ranges: [number, number][] = [];
  const smaps = readFileSync(`/proc/${pid}/smaps`, 'latin1');
  for (const part of smaps.split(/\n(?=[0-9a-f]+-)/)) {
    const [, from = '', to = '', mode = '', inode] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)/.exec(part) ?? [];
    const resident = Number(/^Rss: +(\d+)/m.exec(part)?.[1]);
    const mayHold = mode.startsWith('r') && (mode[1] === 'w' || inode === '0');
    if (mayHold && resident > 0) ranges.push([Number.parseInt(from, 16), Number.parseInt(to, 16)]);
  }
  return ranges;
}

function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined; // it has ended meanwhile, or the kernel keeps it for itself
  }
}

function shownBy(pid: number | string, search: Search): string[] {
  return ['cmdline', 'environ'].filter((file) => {
    const bytes = attempt(() => readFileSync(`/proc/${pid}/${file}`));
    return bytes !== undefined && search.isIn(bytes);
  });
}

function searchOthers(search: Search, spared: number | undefined): MemorySearch {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  const others = pids.filter((pid) => pid !== process.pid && pid !== spared && !isOfKernel(pid));
  const closed: string[] = [];
  const found = others.flatMap((pid) => {
    const name = attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
    if (name === undefined) return []; // it has ended
    const isHeld = attempt(() => search.isInMemoryOf(pid));
    if (isHeld === undefined && isThere(pid)) closed.push(name);
    const places = [...(isHeld === true ? ['memory'] : []), ...shownBy(pid, search)];
    return places.map((where) => ({ pid, name, where }));
  });
  const shown = spared === undefined ? [] : shownBy(spared, search);
  return { found, shown, closed, processes: others.length - closed.length, bytes: search.bytes };
}

/** Threads of the kernel have no arguments; nor has what has ended, and waits for its parent. */
function isOfKernel(pid: number): boolean {
  return (attempt(() => readFileSync(`/proc/${pid}/cmdline`)) ?? '').length === 0;
}

function isThere(pid: number): boolean {
  return attempt(() => process.kill(pid, 0)) === true && !isOfKernel(pid);
}

async function main(file: string, target: string | undefined): Promise<void> {
  const search = new Search(readFileSync(file, 'utf8').trim());
  const pid = target === undefined ? undefined : Number(target);
  if (pid !== undefined) {
    await until(`${pid} has the secret`, () => attempt(() => search.isInMemoryOf(pid)) === true, 60_000);
    process.kill(pid, 'SIGSTOP');
  }
  try {
    process.stdout.write(`${JSON.stringify(searchOthers(search, pid))}\n`);
  } finally {
    if (pid !== undefined) process.kill(pid, 'SIGCONT');
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await main(process.argv[2] ?? '', process.argv[3]);
