// Reads from /proc what a server has used: CPU time and memory of a process and of all its descendants.

import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10; // sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time of the process and of those of its children that have ended. */
  readonly cpuMs: number;
}

/** Returns the CPU time so far, with that of children that have ended. */
export function cpuMs(root: number): number {
  return familyOf(root).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

/** Returns the CPU time so far in microseconds, of threads that have not ended. */
export function cpuMicroseconds(root: number): number {
  const tasks = familyOf(root).flatMap(({ pid }) =>
    threadsOf(pid).map((thread) => `/proc/${pid}/task/${thread}`),
  );
  // sched-stats: nanoseconds on a processor, nanoseconds of waiting, time slices
  return tasks.reduce((sum, task) => sum + Number(read(`${task}/schedstat`)?.split(' ')[0] ?? 0) / 1000, 0);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // the process has ended since it was listed
  }
}

/** Returns the CPU time so far of everything on this machine, the kernel's own work included. */
export function machineBusyMs(): number {
  // proc(5): cpu user nice system idle iowait irq softirq steal; guest time is in user
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (read('/proc/stat') ?? '')
    .split('\n', 1)
    .join()
    .split(/ +/)
    .map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

/** Sum of the highest resident sets so far, in bytes. Pages shared between processes count in each. */
export function peakRss(root: number): number {
  return familyOf(root).reduce((sum, { pid }) => sum + highWaterMark(pid), 0);
}

export interface Memory {
  readonly processes: number;
  /** Bytes. A page that several processes share counts in each of them. */
  readonly rss: number;
  /** Bytes. Such a page counts once, divided among them. */
  readonly pss: number;
  /** Bytes of pages that no other process has. */
  readonly own: number;
}

/** Sums the memory of a process and of its descendants. */
export function memoryOf(root: number): Memory {
  const family = familyOf(root);
  const sum = (pattern: RegExp) =>
    family.reduce((bytes, { pid }) => {
      const [, kib = '0'] = pattern.exec(read(`/proc/${pid}/smaps_rollup`) ?? '') ?? [];
      return bytes + Number(kib) * 1024;
    }, 0);
  return {
    processes: family.length,
    rss: sum(/^Rss:\s+(\d+) kB/m),
    pss: sum(/^Pss:\s+(\d+) kB/m),
    own: sum(/^Private_Clean:\s+(\d+) kB/m) + sum(/^Private_Dirty:\s+(\d+) kB/m),
  };
}

function familyOf(root: number): Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(readStat)
    .filter((stat) => stat !== undefined);
  const family = all.filter(({ pid }) => pid === root);
  // The list grows while it is walked, so that children of children are found too.
  for (const { pid } of family) family.push(...all.filter(({ parent }) => parent === pid));
  return family;
}

function readStat(name: string): Stat | undefined {
  // proc(5): pid (comm) state ppid ... and utime, stime, cutime, cstime as fields 14 to 17. comm may hold
  // blanks and brackets.
  const fields = read(`/proc/${name}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
  if (fields === undefined) return undefined;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid: Number(name), parent: Number(fields[1]), cpuMs: ticks * TICK_MS };
}

function highWaterMark(pid: number): number {
  const [, kib = '0'] = /VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? '') ?? [];
  return Number(kib) * 1024;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // the process has ended since it was listed
  }
}
