/**
 * Delivers many files in one go. Each is written whole in tmp/ and fsynced (S3), then all are
 * renamed (S4), and then one fsync of each directory makes all renames to it durable (S5). The
 * fsyncs of a step may go at the same time. A file that fails is unlinked from wherever it is
 * then, and fails alone; a directory that cannot be synced fails all files that were renamed to
 * it. Calls are yielded, not made (steps.ts): a disk thread makes them, or a test.
 *
 * A directory is opened before the renames to it: the kernel tells an error of writing it out to
 * every descriptor that was open by then (since Linux 4.13), so other batches may use it as well.
 */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { made, type Steps, together, writeAll } from './steps.ts';

export interface WholeFile {
  /** In tmp/. */
  readonly from: string;
  /** In new/. */
  readonly to: string;
  readonly mode: number;
  /** How many of the bytes that come with the jobs are its own. They follow those of the jobs before. */
  readonly bytes: number;
}

/** Without `bytes` the file is in tmp/ already, whole and fsynced. */
export type Job = WholeFile | Pick<WholeFile, 'from' | 'to'>;

/** Milliseconds that the file's fsync took, 0 for a rename; or why the job failed. */
export type Answer = number | Pick<NodeJS.ErrnoException, 'message' | 'code' | 'errno' | 'syscall'>;

/** What a thread is told to do. */
export interface Order {
  readonly jobs: readonly Job[];
  /** How many fsyncs may go at the same time, by libuv's threads; 1: one after the other, by the thread. */
  readonly syncsAtOnce: number;
}

/** What came of a batch. */
export interface Done {
  /** In the order of the jobs. */
  readonly answers: readonly Answer[];
  /**
   * Milliseconds of the disk that the first fsync took: without the time in which the thread ran or
   * waited for a processor. Undefined where it was not measured.
   */
  readonly fsyncMs: number | undefined;
}

/** `File` is whatever stands for an open file. */
export interface Calls<File> {
  /** O_CREAT|O_EXCL|O_WRONLY. */
  create(path: string, mode: number): File | Promise<File>;
  /** May take fewer bytes than given; returns how many it took. */
  writev(file: File, pieces: Buffer[]): number | Promise<number>;
  sync(file: File): void | Promise<void>;
  close(file: File): void | Promise<void>;
  rename(from: string, to: string): void | Promise<void>;
  unlink(path: string): void | Promise<void>;
  openDirectory(path: string): File | Promise<File>;
  /**
   * fsync of a directory, and of the files that were renamed to it where it would come to nothing alone
   * (renamed.ts). Fails with ENOENT if it has been removed.
   */
  syncDirectory(directory: File, renamed: readonly string[]): void | Promise<void>;
}

interface Entry<File> {
  readonly job: Job;
  /** Undefined where there is nothing to write. */
  readonly bytes: Buffer | undefined;
  file: File | undefined; // while it is open
  isOurs: boolean; // made by us, and still in tmp/
  answer: Answer;
}

/** A directory that files are renamed to; `file` is its descriptor. */
interface Directory<File> {
  readonly file: File;
  readonly entries: Entry<File>[];
}

/** `bytes` are those of all jobs, one after the other. The answers come in the order of the jobs. */
export function* deliverAll<File>(calls: Calls<File>, jobs: readonly Job[], bytes: Buffer): Steps<Answer[]> {
  const entries = entriesOf<File>(jobs, bytes);
  // step by step for all files: what they share, tmp/ above all, is then not changed between two of their
  // fsyncs
  for (const entry of entries) yield* attempt(calls, entry, write(calls, entry));
  yield* together(entries.map((entry) => attempt(calls, entry, finish(calls, entry))));
  const directories = new Map<string, Directory<File>>();
  for (const entry of entries) yield* attempt(calls, entry, rename(calls, entry, directories));
  yield* together([...directories.values()].map((directory) => syncOrUndo(calls, directory)));
  return entries.map(({ answer }) => answer);
}

function entriesOf<File>(jobs: readonly Job[], bytes: Buffer): Entry<File>[] {
  let at = 0;
  return jobs.map((job) => {
    const own = 'bytes' in job ? bytes.subarray(at, at + job.bytes) : undefined;
    at += own?.length ?? 0;
    return { job, bytes: own, file: undefined, isOurs: false, answer: 0 };
  });
}

function isGood({ answer }: Entry<unknown>): boolean {
  return typeof answer === 'number';
}

/** S1 -> S2. */
function* write<File>(calls: Calls<File>, entry: Entry<File>): Steps<void> {
  const { job, bytes } = entry;
  if (bytes === undefined || !('mode' in job)) return;
  const file = yield* made(() => calls.create(job.from, job.mode));
  entry.file = file;
  entry.isOurs = true;
  yield* writeAll((pieces) => calls.writev(file, pieces), [bytes]);
}

/** S2 -> S3. An error of close(2) counts like any other: some file systems write late. */
function* finish<File>(calls: Calls<File>, entry: Entry<File>): Steps<void> {
  const { file } = entry;
  if (file === undefined) return;
  const start = performance.now();
  yield* made(() => calls.sync(file));
  entry.answer = performance.now() - start;
  entry.file = undefined; // not to be closed again, whether or not this works
  yield* made(() => calls.close(file));
}

/** S3 -> S4. */
function* rename<File>(
  calls: Calls<File>,
  entry: Entry<File>,
  directories: Map<string, Directory<File>>,
): Steps<void> {
  const { from, to } = entry.job;
  if (!isGood(entry)) return;
  const path = dirname(to);
  const directory = directories.get(path) ?? {
    file: yield* made(() => calls.openDirectory(path)),
    entries: [],
  };
  directories.set(path, directory);
  yield* made(() => calls.rename(from, to));
  entry.isOurs = false;
  directory.entries.push(entry);
}

/** S4 -> S5. Never throws. */
function* syncOrUndo<File>(calls: Calls<File>, { file, entries }: Directory<File>): Steps<void> {
  try {
    const renamed = entries.map(({ job }) => job.to);
    if (entries.length > 0) yield* made(() => calls.syncDirectory(file, renamed));
  } catch (error) {
    for (const entry of entries) {
      entry.answer = answerOf(error);
      yield* quietly(() => calls.unlink(entry.job.to));
    }
  }
  yield* quietly(() => calls.close(file)); // nothing is written through it
}

/** Does one step of one file. If it fails the file fails, and nothing of it is left. Never throws. */
function* attempt<File>(calls: Calls<File>, entry: Entry<File>, work: Steps<void>): Steps<void> {
  try {
    yield* work;
  } catch (error) {
    const { file, isOurs, job } = entry;
    entry.answer = answerOf(error);
    entry.file = undefined;
    if (file !== undefined) yield* quietly(() => calls.close(file));
    if (isOurs) yield* quietly(() => calls.unlink(job.from));
  }
}

/**
 * Makes a call that tidies up after an error: the first error is the one to tell, and what stays is swept.
 */
function* quietly(call: () => void | Promise<void>): Steps<void> {
  try {
    yield call;
  } catch {}
}

/** Returns what a thread can tell another of an error; a cloned Error would lose its code. */
function answerOf(error: unknown): Answer {
  const { message, code, errno, syscall } = error as NodeJS.ErrnoException;
  return { message, code, errno, syscall };
}
