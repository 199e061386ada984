/**
 * Core dumps, which would hold mail in clear: turns them off for this process and those that it starts. Node
 * has no setrlimit(2), so prlimit(1) of util-linux sets the limit from outside. The limit does not count
 * where the kernel gives a core to a program (core(5)), so that the core is emptied as well.
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const PATIENCE_MS = 5000;

/** Turns them off. Returns why that failed, as a sentence for the log. */
export async function turnOffCoreDumps(): Promise<string | undefined> {
  emptyCores();
  if (areOff()) return undefined; // systemd has done it (LimitCORE=0)
  const failure = await prlimit();
  return areOff() ? undefined : `prlimit --core=0:0: ${failure ?? 'changed nothing'}`;
}

/** Leaves out all memory of a core. Children inherit it. */
function emptyCores(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // no /proc, or it is read-only: the limit has to do
  }
}

function areOff(): boolean {
  try {
    return /^Max core file size +0 +0 /m.test(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return false;
  }
}

function prlimit(): Promise<string | undefined> {
  const args = ['--core=0:0', '--pid', String(process.pid)];
  return new Promise((resolve) => {
    execFile('prlimit', args, { timeout: PATIENCE_MS, killSignal: 'SIGKILL' }, (error, _stdout, stderr) => {
      resolve(error === null ? undefined : stderr.trim() || error.message);
    });
  });
}
