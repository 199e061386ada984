/**
 * One object for each file system: its share of libuv's threads, the pace of its batches, what is
 * free on it, and whether it still answers. Which file system a directory is on is asked once in
 * a while; a question that hangs is put once, and nobody waits long for it.
 */
import { dirname } from 'node:path';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { BatchPace } from './batchpace.ts';
import type { FileCalls } from './calls.ts';
import type { Free } from './disk.ts';
import { Liveness } from './liveness.ts';
import { ThreadShare } from './threadshare.ts';

/** Something may have been mounted meanwhile. */
const FORGET_MS = 60_000;
const MAX_KNOWN = 10_000;
/** How old an answer about free space may be. */
const FREE_FOR_MS = 1000;
/** How long anybody waits for an answer about free space, from the question on. */
const WAIT_MS = 1000;

export interface FileSystemsOptions {
  readonly calls: Pick<FileCalls, 'device' | 'statfs'>;
  readonly world: Pick<World, 'micros'>;
  /** How long a file system may be silent before calls to it fail at once. */
  readonly hungMs: number;
}

/** Put once, however many ask. No answer in time, or an error, is undefined. */
interface Question<V> {
  readonly askedAt: number;
  readonly answer: Promise<V>;
  isOpen: boolean;
}

export class FileSystem {
  readonly threads: ThreadShare;
  readonly batches: BatchPace;
  readonly #liveness: Liveness;
  readonly #options: FileSystemsOptions;
  #free: Question<Free | undefined> | undefined;

  constructor(options: FileSystemsOptions) {
    this.#options = options;
    this.#liveness = new Liveness(options.world, options.hungMs);
    this.threads = new ThreadShare(this.#liveness);
    this.batches = new BatchPace(options.world, this.#liveness);
  }

  /** It has been asked for something, and has answered nothing for too long. */
  get isSilent(): boolean {
    return this.#liveness.isSilent;
  }

  /**
   * Tells what is free, asked about `directory`, which is on it. Undefined where that is not known in time.
   */
  async free(directory: string): Promise<Free | undefined> {
    const now = this.#options.world.micros() / 1000;
    let question = this.#free;
    if (question === undefined || (!question.isOpen && now - question.askedAt > FREE_FOR_MS)) {
      const answer = this.threads.run(() => this.#options.calls.statfs(directory));
      question = ask(
        answer.catch(() => undefined),
        now,
      );
      this.#free = question;
    }
    return answerInTime(question, now);
  }
}

/** Where a directory that may not exist is, or would be made. */
interface Place {
  readonly fileSystem: FileSystem;
  /** The directory itself, or the nearest one above it that exists. */
  readonly directory: string;
}

export class FileSystems {
  readonly #options: FileSystemsOptions;
  readonly #byDevice = new Map<number, FileSystem>();
  #known = new Map<string, Place>(); // by directory
  readonly #asking = new Map<string, Question<Place>>();
  #forgetAt = 0;

  constructor(options: FileSystemsOptions) {
    this.#options = options;
  }

  /**
   * Returns the file system a directory is or would be on. Not a promise where it is known, which it nearly
   * always is.
   */
  of(directory: string): FileSystem | Promise<FileSystem> {
    const known = this.#knownPlace(directory);
    return known?.fileSystem ?? this.#find(directory).answer.then(({ fileSystem }) => fileSystem);
  }

  /** Tells what is free where a directory is or would be. Undefined where that is not known in time. */
  async free(directory: string): Promise<Free | undefined> {
    const place = this.#knownPlace(directory) ?? (await this.#findInTime(directory));
    return place?.fileSystem.free(place.directory);
  }

  #findInTime(directory: string): Promise<Place | undefined> {
    return answerInTime(this.#find(directory), this.#now()).catch(() => undefined);
  }

  #knownPlace(directory: string): Place | undefined {
    if (this.#now() > this.#forgetAt || this.#known.size > MAX_KNOWN) {
      this.#known = new Map();
      this.#forgetAt = this.#now() + FORGET_MS;
    }
    return this.#known.get(directory);
  }

  #find(directory: string): Question<Place> {
    const asking = this.#asking.get(directory);
    if (asking !== undefined) return asking;
    const answer = this.#placeOf(directory)
      .then((place) => {
        this.#known.set(directory, place);
        return place;
      })
      .finally(() => this.#asking.delete(directory));
    const question = ask(answer, this.#now());
    this.#asking.set(directory, question);
    return question;
  }

  /** A directory that is not there is where the one above it is. */
  async #placeOf(directory: string): Promise<Place> {
    try {
      const device = await this.#options.calls.device(directory);
      const fileSystem = this.#byDevice.get(device) ?? new FileSystem(this.#options);
      this.#byDevice.set(device, fileSystem);
      return { fileSystem, directory };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(directory) === directory) throw error;
      return this.#placeOf(dirname(directory));
    }
  }

  #now(): number {
    return this.#options.world.micros() / 1000;
  }
}

function ask<V>(answer: Promise<V>, askedAt: number): Question<V> {
  const close = () => {
    question.isOpen = false;
  };
  const question: Question<V> = { askedAt, answer, isOpen: true };
  answer.then(close, close);
  return question;
}

/** The first to ask waits for a while; whoever comes after that does not wait at all. */
async function answerInTime<V>(question: Question<V>, now: number): Promise<V | undefined> {
  if (!question.isOpen) return question.answer;
  const age = now - question.askedAt;
  if (age > WAIT_MS) return undefined;
  const answer = await within(question.answer, WAIT_MS);
  return answer === 'late' ? undefined : answer;
}
