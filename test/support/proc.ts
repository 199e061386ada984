// Children of a process, as proc(5) has them at the moment: each may end while one looks at it.

import { readFileSync } from 'node:fs';

/** Returns the children of a process, which must not have ended. */
export function childPids(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
  return children.split(' ').filter(Boolean).map(Number);
}

/** Returns those whose command line has a text. */
export function childrenWith(pid: number, text: string): number[] {
  return childPids(pid).filter((child) => told(child, 'cmdline').includes(text));
}

/** Returns what a file of a process says; '' if it has ended. */
export function told(pid: number, file: 'cmdline' | 'comm' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
