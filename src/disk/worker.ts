/**
 * The body of a disk thread: takes one batch at a time, makes its calls one after the other and
 * answers. Synchronous, since the thread has nothing else to do. Loads no package, above all not
 * fs-ext, which aborts in threads.
 */
import * as fs from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { type Calls, type Done, deliverAll, type Job } from './batch.ts';
import { runSync } from './steps.ts';

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_DIRECTORY } = fs.constants;
const slot = Buffer.from(workerData as SharedArrayBuffer);
const schedstat = openSchedstat();
const figures = Buffer.alloc(64); // three numbers

const calls: Calls<number> = {
  create: (path, mode) => fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY, mode),
  writev: fs.writevSync,
  sync: fs.fsyncSync,
  close: fs.closeSync,
  rename: fs.renameSync,
  unlink: fs.unlinkSync,
  syncDirectory(path) {
    const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};

parentPort?.on('message', (jobs: string) => {
  const [start, ownStart] = [performance.now(), ownMs()];
  const answers = runSync(deliverAll(calls, JSON.parse(jobs) as Job[], slot));
  const [took, own] = [performance.now() - start, ownMs() - ownStart];
  const done: Done = { answers, diskShare: Math.min(Math.max(1 - own / took || 0, 0), 1) };
  // a string, since an object would be cloned, at several times the price
  parentPort?.postMessage(JSON.stringify(done));
});

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
