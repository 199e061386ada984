/**
 * Which process made a record, and whether it still lives. A process ID alone does not tell, since a
 * container gives the same ones after every start; so a byte of the time when the process began goes with it.
 */
import { readFileSync } from 'node:fs';

export interface ProcessTag {
  /** At most 24 bits; the kernel's own limit is 22. */
  readonly pid: number;
  /** One byte of the time when it began. */
  readonly start: number;
}

export function processTag(pid: number): ProcessTag {
  return { pid, start: statusOf(pid)?.start ?? 0 };
}

/** Whether the process lives; in doubt, as where it cannot be looked at, it does. */
export function isAlive({ pid, start }: ProcessTag): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const status = statusOf(pid);
  return status === undefined || (status.state !== 'Z' && status.start === start);
}

/** Reads proc_pid_stat(5). Undefined where that cannot be read. */
function statusOf(pid: number): { state: string; start: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // after the name in parentheses, which may contain anything: state is field 3, start time field 22
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', start: Number(fields[19]) % 251 };
  } catch {
    return undefined;
  }
}
