/**
 * The file systems of this machine, one object for each (filesystem.ts), and which of them a
 * directory is on. That is found out once in a while, so that a call about a file system only ever uses that
 * file system's threads (place.ts): one that hangs holds up nothing but what is on it.
 */
import { basename, dirname } from 'node:path';
import type { World } from '../core/world.ts';
import type { FileCalls } from './calls.ts';
import type { Free } from './disk.ts';
import { FileSystem } from './filesystem.ts';
import { Liveness } from './liveness.ts';
import type { Mounts } from './mounts.ts';
import { type MountTable, type Place, walk } from './place.ts';
import { answerWithinLimit, type Question, questionOf } from './question.ts';
import { POOL_SHARE, ThreadShare } from './threadshare.ts';

/** A link may have changed meanwhile. */
const FORGET_MS = 60_000;
/** Something may have been mounted meanwhile: so old may the list be when it is asked about a directory. */
const MOUNTS_MS = 100;
/** Three for each mailbox: itself, its tmp/ and its new/. */
const MAX_KNOWN = 30_000;

export interface FileSystemsOptions {
  readonly calls: Pick<FileCalls, 'mounts' | 'readlink' | 'statfs'>;
  readonly world: Pick<World, 'micros'>;
  /** How long a file system may be silent before calls to it fail at once. */
  readonly hungMs: number;
}

export class FileSystems {
  readonly #options: FileSystemsOptions;
  readonly #pool: ThreadShare;
  readonly #mountTable: MountTable;
  readonly #byDevice = new Map<string, FileSystem>();
  #mounts: Mounts = new Map();
  #known = new Map<string, Place>(); // by directory
  readonly #asking = new Map<string, Question<Place>>();
  #forgetAt = Number.NEGATIVE_INFINITY;
  #mountsReadAt = Number.NEGATIVE_INFINITY;

  constructor(options: FileSystemsOptions) {
    this.#options = options;
    this.#pool = new ThreadShare(POOL_SHARE, new Liveness(options.world, options.hungMs));
    this.#mountTable = {
      mountedOn: (path) => this.#mountedOn(path),
      at: (path) => this.#at(path),
      readlink: options.calls.readlink,
    };
  }

  /**
   * Returns the file system a directory, there or not, is or would be on. Not a promise where it is
   * known, which it nearly always is. The promise never rejects, but waits where a file system hangs.
   */
  of(directory: string): FileSystem | Promise<FileSystem> {
    const known = this.#knownPlace(directory);
    return known?.fileSystem ?? this.#find(directory).answer.then(({ fileSystem }) => fileSystem);
  }

  /**
   * Makes a call about something in a directory when its file system has a thread for it. Fails at once where
   * that is silent.
   */
  async run<T>(directory: string, call: () => Promise<T>): Promise<T> {
    return (await this.of(directory)).threads.run(call);
  }

  /** Tells what is free where a directory is or would be. Undefined where that is not known in time. */
  async free(directory: string): Promise<Free | undefined> {
    const place =
      this.#knownPlace(directory) ?? (await answerWithinLimit(this.#find(directory), this.#now()));
    return place?.fileSystem.free(place.path);
  }

  #knownPlace(directory: string): Place | undefined {
    if (this.#now() > this.#forgetAt || this.#known.size > MAX_KNOWN) {
      this.#known = new Map();
      this.#forgetAt = this.#now() + FORGET_MS;
    }
    return this.#known.get(directory);
  }

  /** Where the mounts have changed, nothing that is known need be true. */
  #lookAtMounts(): void {
    if (this.#now() - this.#mountsReadAt < MOUNTS_MS) return;
    const mounts = this.#options.calls.mounts();
    this.#mountsReadAt = this.#now();
    const isSame = [...mounts].every(([point, device]) => this.#mounts.get(point) === device);
    if (!isSame || mounts.size !== this.#mounts.size) this.#known = new Map();
    this.#mounts = mounts;
  }

  #find(directory: string): Question<Place> {
    const asking = this.#asking.get(directory);
    if (asking !== undefined) return asking;
    this.#lookAtMounts();
    const answer = this.#placeOf(directory).then((place) => {
      this.#asking.delete(directory);
      if (place.isThere !== 'unknown') this.#known.set(directory, place);
      return place;
    });
    const question = questionOf(answer, this.#now());
    this.#asking.set(directory, question);
    return question;
  }

  /** The directories above are found first, and remembered for their other children. */
  async #placeOf(directory: string): Promise<Place> {
    const parent = dirname(directory);
    if (parent === directory) return this.#at('/');
    const above = this.#knownPlace(parent) ?? (await this.#find(parent).answer);
    return walk(above, basename(directory), this.#mountTable);
  }

  /** A path without links is where the last mount point on it is. */
  #at(path: string): Place {
    let point = path;
    while (this.#mountedOn(point) === undefined && dirname(point) !== point) point = dirname(point);
    const fileSystem = this.#mountedOn(point) ?? this.#ofDevice('unknown');
    return { fileSystem, path, isThere: 'yes' };
  }

  #mountedOn(path: string): FileSystem | undefined {
    const device = this.#mounts.get(path);
    return device === undefined ? undefined : this.#ofDevice(device);
  }

  #ofDevice(device: string): FileSystem {
    const known = this.#byDevice.get(device);
    if (known !== undefined) return known;
    const fileSystem = new FileSystem({ ...this.#options, pool: this.#pool });
    this.#byDevice.set(device, fileSystem);
    return fileSystem;
  }

  #now(): number {
    return this.#options.world.micros() / 1000;
  }
}
