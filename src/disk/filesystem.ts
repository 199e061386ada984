/**
 * What is known of one file system: its share of libuv's threads, the pace of its batches, what is
 * free on it, and whether it answers.
 */
import type { World } from '../core/world.ts';
import { BatchPace } from './batchpace.ts';
import type { FileCalls } from './calls.ts';
import type { Free } from './disk.ts';
import { Liveness } from './liveness.ts';
import { answerWithinLimit, type Question, questionOf } from './question.ts';
import { FILE_SYSTEM_THREADS, SYNC_THREADS, ThreadShare } from './threadshare.ts';

/** How old an answer about free space may be. */
const FREE_FOR_MS = 1000;

export interface FileSystemOptions {
  readonly calls: Pick<FileCalls, 'statfs'>;
  readonly world: Pick<World, 'micros'>;
  /** How long a file system may be silent before calls to it fail at once. */
  readonly hungMs: number;
  /** The threads that all file systems have together. */
  readonly pool: ThreadShare;
}

export class FileSystem {
  readonly threads: ThreadShare;
  readonly batches: BatchPace;
  readonly #options: FileSystemOptions;
  #free: Question<Free | undefined> | undefined;

  constructor(options: FileSystemOptions) {
    this.#options = options;
    const liveness = new Liveness(options.world, options.hungMs);
    this.threads = new ThreadShare(FILE_SYSTEM_THREADS, liveness, options.pool);
    this.batches = new BatchPace(options.world, liveness, SYNC_THREADS);
  }

  /**
   * Tells what is free, by asking about `path`, which is on it. Undefined where that is not known in time.
   */
  async free(path: string): Promise<Free | undefined> {
    const now = this.#options.world.micros() / 1000;
    let question = this.#free;
    if (question === undefined || (!question.isOpen && now - question.askedAt > FREE_FOR_MS)) {
      const answer = this.threads.run(() => this.#options.calls.statfs(path));
      const orUnknown = answer.catch(() => undefined); // not to know is an answer too
      question = questionOf(orUnknown, now);
      this.#free = question;
    }
    return answerWithinLimit(question, now);
  }
}
