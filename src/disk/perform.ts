/**
 * Makes the calls of one batch (batch.ts), for a process or thread that has nothing else to do meanwhile:
 * they are synchronous. Only where fsyncs are to go together they go to libuv's threads.
 */
import * as fs from 'node:fs';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { type Calls, type Done, deliverAll, type Order } from './batch.ts';
import { Renames } from './renamed.ts';
import { runAsync, runSync } from './steps.ts';

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_DIRECTORY } = fs.constants;
const schedstat = openSchedstat();
const figures = Buffer.alloc(64); // three numbers

export const batchCalls: Calls<number> = {
  create: (path, mode) => fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY, mode),
  writev: fs.writevSync,
  sync: fs.fsyncSync,
  close: fs.closeSync,
  rename: fs.renameSync,
  unlink: fs.unlinkSync,
  openDirectory: (path) => fs.openSync(path, O_RDONLY | O_DIRECTORY),
  syncDirectory(fd) {
    fs.fsyncSync(fd);
    mustBeLinked(fd);
  },
};
const fsync = promisify(fs.fsync);
/** Somebody may have removed the directory, and the files with it, after it was opened. */
function mustBeLinked(fd: number): void {
  if (fs.fstatSync(fd).nlink === 0)
    throw Object.assign(new Error('the directory was removed'), { code: 'ENOENT', syscall: 'fsync' });
}

/** `bytes` are those of all jobs, one after the other. `calls`: batchCalls, or more careful ones. */
export async function performBatch(
  { jobs, syncsAtOnce }: Order,
  bytes: Buffer,
  calls = batchCalls,
): Promise<Done> {
  const renames = new Renames();
  const rename = (from: string, to: string) => {
    renames.begin(from, to);
    try {
      return calls.rename(from, to);
    } catch (error) {
      renames.failed(to);
      throw error;
    }
  };
  // a single file waits for nobody, and wake-ups would only cost it time
  if (syncsAtOnce <= 1 || jobs.length === 1) {
    const syncDirectory = (fd: number, renamed: readonly string[]) =>
      renames.sync(renamed, () => void calls.syncDirectory(fd, renamed));
    return deliverAlone(jobs, bytes, { ...calls, rename, syncDirectory });
  }
  const syncDirectory = (fd: number, renamed: readonly string[]) =>
    renames.syncAtOnce(renamed, async () => {
      await fsync(fd);
      mustBeLinked(fd);
    });
  const steps = deliverAll({ ...calls, sync: fsync, rename, syncDirectory }, jobs, bytes);
  return { answers: await runAsync(steps, syncsAtOnce), fsyncMs: undefined };
}

/** Makes all calls one after the other, and measures the first fsync. */
function deliverAlone(jobs: Order['jobs'], bytes: Buffer, calls: Calls<number>): Done {
  let fsyncMs: number | undefined;
  const sync = (fd: number) => {
    if (fsyncMs !== undefined) return fs.fsyncSync(fd);
    const [start, ownStart] = [performance.now(), ownMs()];
    fs.fsyncSync(fd);
    fsyncMs = Math.max(performance.now() - start - (ownMs() - ownStart), 0);
  };
  const answers = runSync(deliverAll({ ...calls, sync }, jobs, bytes));
  return { answers, fsyncMs };
}

/**
 * Returns how long this thread has run so far, or waited for a processor to run on; 0 where the kernel does
 * not tell.
 */
function ownMs(): number {
  if (schedstat === undefined) return 0;
  try {
    const length = fs.readSync(schedstat, figures, 0, figures.length, 0);
    const [ran = 0, waited = 0] = figures.toString('latin1', 0, length).split(' ').map(Number);
    return (ran + waited) / 1e6;
  } catch {
    return 0; // no delivery fails because its time cannot be measured
  }
}

function openSchedstat(): number | undefined {
  try {
    return fs.openSync('/proc/thread-self/schedstat', O_RDONLY);
  } catch {
    return undefined;
  }
}
