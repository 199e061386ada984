/**
 * The body of a disk thread: takes one batch at a time, makes its calls one behind the other and
 * answers. Synchronous, since the thread has nothing else to do. Loads nothing but node:fs, and
 * above all not fs-ext, which aborts in threads.
 */
import * as fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type Calls, deliverAll, type Job, type Steps } from './batch.ts';

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_DIRECTORY } = fs.constants;
const slot = Buffer.from(workerData as SharedArrayBuffer);

const calls: Calls<number> = {
  create: (path, mode) => fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY, mode),
  write: (fd, bytes) => fs.writeSync(fd, bytes),
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
  const answers = makeAll(deliverAll(calls, JSON.parse(jobs) as Job[], slot));
  // an object would be cloned, at several times the price
  parentPort?.postMessage(JSON.stringify(answers));
});

function makeAll<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) {
    let result: unknown;
    try {
      result = step.value();
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}
