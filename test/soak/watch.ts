// Measures what the server takes of the machine: memory and descriptors of all its processes.

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { childrenOf } from '../support/child.ts';
import { openDescriptors } from '../support/descriptors.ts';

/** Returns the resident bytes of the primary and its workers. */
export function residentBytes(pid: number): number {
  return sumOver(pid, (each) => {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${each}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
  });
}

export function descriptors(pid: number): number {
  return sumOver(pid, openDescriptors);
}

/**
 * Resolves to the number of descriptors once it is steady: threads open some after the server has begun to
 * listen.
 */
export async function settledDescriptors(pid: number): Promise<number> {
  for (let before = -1; ; await pause(500)) {
    const now = descriptors(pid);
    if (now === before) return now;
    before = now;
  }
}

export async function sampleMemory(pid: number, isOver: () => boolean): Promise<number[]> {
  const samples: number[] = [];
  while (!isOver()) {
    samples.push(residentBytes(pid));
    await pause(200);
  }
  return samples;
}

/** Returns the medians of the first and of the last third. */
export function thirds(samples: readonly number[]): { first: number; last: number } {
  const third = Math.ceil(samples.length / 3);
  return { first: median(samples.slice(0, third)), last: median(samples.slice(-third)) };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function sumOver(pid: number, of: (pid: number) => number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + of(each), 0);
}
