/**
 * What is mounted where, as the kernel tells this process. Reading it touches no file system, so it
 * does not hang with one: it is a list in the kernel's memory (proc_pid_mountinfo(5)).
 */
import { readFileSync } from 'node:fs';

/** Mount point -> what tells file systems apart, the numbers of the device. */
export type Mounts = ReadonlyMap<string, string>;

/** Empty where there is no /proc: then all directories count as one file system. */
export function readMounts(): Mounts {
  try {
    return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return new Map();
  }
}

/** Of several mounts on one directory the last is the one that is seen. */
export function parseMounts(mountinfo: string): Mounts {
  const mounts = new Map<string, string>();
  for (const line of mountinfo.split('\n')) {
    const [, , device, , point] = line.split(' ');
    if (device !== undefined && point !== undefined) mounts.set(unescaped(point), device);
  }
  return mounts;
}

/**
 * Blanks, tabs, line ends and backslashes are written as three octal digits, and everything as bytes of
 * UTF-8.
 */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
