// The real disk with a record of every call, and trouble where a test wants it: errors, short writes, calls
// that hang before or after they took effect. Also notes what would hit another file's descriptor (`misuse`).
// What the real disk's threads do in one go is done here by the same code, but call by call, so that each
// call is recorded and open to trouble.

import { constants } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import type { World } from '../../src/core/world.ts';
import { appendLocked } from '../../src/disk/append.ts';
import { type Calls, deliverAll, type Job } from '../../src/disk/batch.ts';
import { type FileCalls, realCalls } from '../../src/disk/calls.ts';
import type { Disk, Free, OpenFile, Stats } from '../../src/disk/disk.ts';
import { FileSystems } from '../../src/disk/filesystems.ts';
import type { Mounts } from '../../src/disk/mounts.ts';
import { runAsync } from '../../src/disk/steps.ts';
import { lockDescriptor } from '../../src/edge/lock.ts';
import { realWorld } from '../../src/edge/world.ts';

export interface DiskCall {
  /** Counts from 1, in the order in which the calls began. */
  readonly number: number;
  readonly name:
    | 'create'
    | 'writev'
    | 'sync'
    | 'close'
    | 'rename'
    | 'unlink'
    | 'mkdir'
    | 'makeEmpty'
    | 'isDirectory'
    | 'syncDirectory'
    | 'readlink'
    | 'find'
    | 'stat'
    | 'statfs';
  /** What the call works on; of a rename, where to. */
  readonly path: string;
  /** A count that goes up with each beginning and each end of a call. */
  readonly beganAt: number;
  readonly endedAt: number | undefined;
}

export interface DiskTrouble {
  /** Is called before the call takes effect. If it throws, the call fails; while it waits, the call hangs. */
  before?(call: DiskCall): void | Promise<void>;
  /** Does the same after the call has taken effect. */
  after?(call: DiskCall): void | Promise<void>;
  /** The most bytes that one writev takes. */
  maxWriteBytes?: number;
  /** What is left on the file system of a path, in place of the truth. */
  left?(path: string): Free;
  /** What is mounted where, in place of the truth. */
  mounts?(): Mounts;
}

// EDQUOT has no name in libuv
const ERRNO = {
  ENOENT: 2,
  EIO: 5,
  EACCES: 13,
  EEXIST: 17,
  ENOTDIR: 20,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  ELOOP: 40,
  ESTALE: 116,
  EDQUOT: 122,
} as const;
export type ErrnoName = keyof typeof ERRNO;

export function diskError(name: ErrnoName): NodeJS.ErrnoException {
  const code = name === 'EDQUOT' ? 'Unknown system error -122' : name;
  return Object.assign(new Error(`${code}: made up`), { code, errno: -ERRNO[name], syscall: 'made up' });
}

export class FakeDisk implements Disk {
  readonly calls: DiskCall[] = [];
  /** Sentences. There should be none. */
  readonly misuse: string[] = [];
  trouble: DiskTrouble;
  readonly #fileSystems: FileSystems;
  #moment = 0;

  constructor(trouble: DiskTrouble = {}, world: Pick<World, 'micros'> = realWorld('fake.example')) {
    this.trouble = trouble;
    this.#fileSystems = new FileSystems({ calls: this.fileCalls(), world, hungMs: 60_000 });
  }

  /** Returns the calls of one name, in order. */
  named(name: DiskCall['name']): DiskCall[] {
    return this.calls.filter((call) => call.name === name);
  }

  create(path: string, mode: number): Promise<OpenFile> {
    return this.#call('create', path, async () => this.#watched(path, await realCalls.create(path, mode)));
  }

  async deliver(
    from: string,
    to: string,
    mode: number,
    pieces: readonly Buffer[],
    isWanted: () => boolean,
  ): Promise<number> {
    if (!isWanted()) throw new Error('given up');
    const bytes = Buffer.concat(pieces);
    const [fsyncMs = 0] = await this.deliverAll([{ from, to, mode, bytes: bytes.length }], bytes);
    return fsyncMs;
  }

  async renameAndSync(from: string, to: string, isWanted: () => boolean): Promise<void> {
    if (!isWanted()) throw new Error('given up');
    await this.deliverAll([{ from, to }]);
  }

  /** Makes a batch. Rejects with the first error. */
  async deliverAll(jobs: readonly Job[], bytes = Buffer.alloc(0)): Promise<number[]> {
    const answers = await runAsync(deliverAll(this.batchCalls(), jobs, bytes));
    return answers.map((answer) => {
      if (typeof answer === 'number') return answer;
      throw Object.assign(new Error(answer.message), answer);
    });
  }

  batchCalls(): Calls<OpenFile> {
    return {
      create: (path, mode) => this.create(path, mode),
      writev: (file, pieces) => file.writev(pieces),
      sync: (file) => file.sync(),
      close: (file) => file.close(),
      rename: (from, to) => this.#call('rename', to, () => rename(from, to)),
      unlink: (path) => this.unlink(path),
      openDirectory: (path) => this.#openDirectory(path),
      syncDirectory: (directory) => directory.sync(),
    };
  }

  /** Opening and closing are not recorded: what counts of a directory is its fsync. */
  async #openDirectory(path: string): Promise<OpenFile> {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    const sync = async () => {
      await handle.sync();
      if ((await handle.stat()).nlink === 0) throw diskError('ENOENT');
    };
    return {
      writev: () => Promise.reject(new Error('a directory')),
      sync: () => this.#call('syncDirectory', path, sync),
      close: () => handle.close(),
    };
  }

  close(): void {}

  unlink(path: string): Promise<void> {
    return this.#call('unlink', path, () => realCalls.unlink(path));
  }

  mkdir(path: string, mode: number): Promise<void> {
    return this.#call('mkdir', path, () => realCalls.mkdir(path, mode));
  }

  makeEmpty(path: string, mode: number): Promise<void> {
    return this.#call('makeEmpty', path, () => realCalls.makeEmpty(path, mode));
  }

  isDirectory(path: string): Promise<boolean> {
    return this.#call('isDirectory', path, () => realCalls.isDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call('syncDirectory', path, () => realCalls.syncDirectory(path));
  }

  find(directory: string, isIt: (name: string) => boolean): Promise<string | undefined> {
    return this.#call('find', directory, () => realCalls.find(directory, isIt));
  }

  stat(path: string): Promise<Stats> {
    return this.#call('stat', path, () => realCalls.stat(path));
  }

  append(path: string, line: string): Promise<void> {
    return appendLocked(path, line, lockDescriptor, (call) => call());
  }

  free(directory: string): Promise<Free | undefined> {
    return this.#fileSystems.free(directory);
  }

  /** The same calls as the real disk's single ones, recorded and open to trouble like all others. */
  fileCalls(): FileCalls {
    return {
      create: (path, mode) => this.create(path, mode),
      find: (directory, isIt) => this.find(directory, isIt),
      stat: (path) => this.stat(path),
      unlink: (path) => this.unlink(path),
      mkdir: (path, mode) => this.mkdir(path, mode),
      makeEmpty: (path, mode) => this.makeEmpty(path, mode),
      isDirectory: (path) => this.isDirectory(path),
      syncDirectory: (path) => this.syncDirectory(path),
      readlink: (path) => this.#call('readlink', path, () => realCalls.readlink(path)),
      statfs: (path) =>
        this.#call('statfs', path, async () => this.trouble.left?.(path) ?? realCalls.statfs(path)),
      mounts: () => this.trouble.mounts?.() ?? realCalls.mounts(),
    };
  }

  #watched(path: string, file: OpenFile): OpenFile {
    let running = 0;
    let closed = false;
    const use = async <T>(name: 'writev' | 'sync', work: () => Promise<T>): Promise<T> => {
      if (closed) this.misuse.push(`${name} after close of ${path}`);
      running++;
      return this.#call(name, path, work).finally(() => running--);
    };
    return {
      writev: (pieces) => use('writev', () => file.writev(this.#shortened(pieces))),
      sync: () => use('sync', () => file.sync()),
      close: async () => {
        if (closed) this.misuse.push(`second close of ${path}`);
        if (running > 0) this.misuse.push(`close of ${path} under a running call`);
        const isSecond = closed;
        closed = true;
        await this.#call('close', path, async () => {
          if (!isSecond) await file.close();
        });
      },
    };
  }

  #shortened(pieces: Buffer[]): Buffer[] {
    const { maxWriteBytes } = this.trouble;
    if (maxWriteBytes === undefined) return pieces;
    return [Buffer.concat(pieces).subarray(0, maxWriteBytes)];
  }

  async #call<T>(name: DiskCall['name'], path: string, work: () => Promise<T>): Promise<T> {
    const call = { number: this.calls.length + 1, name, path, beganAt: ++this.#moment, endedAt: undefined };
    const record: { endedAt: number | undefined } & DiskCall = call;
    this.calls.push(record);
    try {
      await this.trouble.before?.(record);
      const result = await work();
      await this.trouble.after?.(record);
      return result;
    } finally {
      (record as { endedAt: number | undefined }).endedAt = ++this.#moment;
    }
  }
}

export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

/** Makes a gate: calls wait for `opened` until the test calls `open`. */
export function gate(): Gate {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
