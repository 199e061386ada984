/** What a run over stored messages keeps to: its pace, and the room that it leaves on each disk. */
import { dirname, join } from 'node:path';
import { visiblePath } from '../core/visible.ts';
import type { World } from '../core/world.ts';
import { appendLocked } from '../disk/append.ts';
import { lockDescriptor } from '../edge/lock.ts';
import { bytesOf, realCalls } from '../inplace/calls.ts';
import { type FolderParts, sealFolder } from '../inplace/folder.ts';
import { DiskFull } from '../inplace/staging.ts';
import type { Folder } from './folders.ts';
import { Pace } from './pace.ts';

export interface WorkOptions {
  readonly world: World;
  /** 0: no limit. */
  readonly bytesPerSecond: number;
  /** What is left to others of each disk, in bytes. */
  readonly leastFree: number;
  /** How many messages of a folder are staged at a time. */
  readonly atOnce: number;
}

export interface FolderWork extends Pick<FolderParts, 'form' | 'isTrial' | 'isWanted' | 'report'> {
  /** Throws to end the work. */
  check(): void;
}

type FolderAt = Pick<Folder, 'directory' | 'path' | 'index'>;

export class StoredWork {
  readonly #options: WorkOptions;
  readonly #pace: Pace;
  #count = 0;

  constructor(options: WorkOptions) {
    this.#options = options;
    this.#pace = new Pace(options.bytesPerSecond, options.world);
  }

  /** Throws as sealFolder does. */
  async seal({ directory, path, index }: FolderAt, work: FolderWork): Promise<void> {
    const { world, atOnce, leastFree } = this.#options;
    const { check, ...rest } = work;
    await sealFolder(path, {
      ...rest,
      calls: realCalls,
      world,
      index,
      atOnce,
      count: () => ++this.#count,
      checkRoom: async (bytes) => {
        const free = await realCalls.free(path);
        if (free < leastFree + bytes)
          throw new DiskFull(`${free} bytes are left on the disk of ${visiblePath(path)}`);
      },
      pause: async (bytes) => {
        check();
        await this.#pace.spend(bytes);
      },
      rest: (micros) => this.#pace.rest(micros),
      grown: (bytes) => noteGrowth(directory === '' ? path : dirname(path), bytes),
    });
  }
}

/** Courier and Dovecot 2.3 count the quota in this file (Maildir++); those who read it make it. */
async function noteGrowth(mailbox: string, bytes: number): Promise<void> {
  const path = bytesOf(join(mailbox, 'maildirsize')).toString();
  await appendLocked(path, `${bytes} 0`, lockDescriptor, (call) => call()).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    },
  );
}
