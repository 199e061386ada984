/**
 * The body of the disk thread: takes one job at a time, does its calls one behind the other
 * and answers. Synchronous, since the thread has nothing else to do. Loads nothing but
 * node:fs, and above all not fs-ext, which aborts in threads.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Job } from './diskthread.ts';

const slot = Buffer.from(workerData as SharedArrayBuffer);

parentPort?.on('message', (job: string) => parentPort?.postMessage(answerTo(JSON.parse(job))));

function answerTo(job: Job): Answer {
  try {
    return perform(job);
  } catch (error) {
    // a cloned Error would lose what is told apart by
    const { message, code, errno, syscall } = error as NodeJS.ErrnoException;
    return { message, code, errno, syscall };
  }
}

function perform(job: Job): number {
  switch (job.kind) {
    case 'writeWhole':
      return writeWhole(job.path, job.mode, slot.subarray(0, job.bytes));
    case 'renameAndSync':
      fs.renameSync(job.from, job.to);
      return orUnlink(job.to, () => syncDirectory(dirname(job.to)));
    case 'syncDirectory':
      return syncDirectory(job.path);
    default:
      return job satisfies never;
  }
}

function writeWhole(path: string, mode: number, bytes: Buffer): number {
  const fd = fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, mode);
  return orUnlink(path, () => {
    return thenClose(fd, () => {
      writeAll(fd, bytes);
      return timed(() => fs.fsyncSync(fd));
    });
  });
}

/** A write may be short; the rest is written again, and an error then says why it was. */
function writeAll(fd: number, bytes: Buffer): void {
  for (let from = 0; from < bytes.length; ) {
    const written = fs.writeSync(fd, bytes, from, bytes.length - from);
    if (written === 0) throw new Error('write made no progress');
    from += written;
  }
}

function syncDirectory(path: string): number {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  return thenClose(fd, () => timed(() => fs.fsyncSync(fd)));
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** An error of `work` comes before one of close(2), which is told otherwise: some file systems write late. */
function thenClose<T>(fd: number, work: () => T): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    quietly(() => fs.closeSync(fd));
    throw error;
  }
  fs.closeSync(fd);
  return result;
}

function orUnlink<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    quietly(() => fs.unlinkSync(path));
    throw error;
  }
}

/** For tidying up behind an error: that error is the one to tell, and what stays is swept. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {}
}
