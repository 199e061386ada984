/**
 * The files that one connection has made. Only these are renamed or removed for it, and nothing that was
 * there before is touched.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Calls } from '../disk/batch.ts';
import { realCalls } from '../disk/calls.ts';
import type { OpenFile } from '../disk/disk.ts';
import { batchCalls } from '../disk/perform.ts';
import { FILE_MODE } from '../maildir/streamedfile.ts';
import type { DeliveryPaths } from './deliverypaths.ts';
import { mustBeOwn } from './ownpath.ts';

/** How many of those in new/ may still be removed: a delivery that is given up is among the last. */
const MOST_DELIVERED = 100;

export interface MadeFilesOptions {
  readonly uid: number;
  readonly paths: DeliveryPaths;
  /** Is told of each Maildir that something is to be written to. */
  sweep(mailbox: string): void;
}

export class MadeFiles {
  /** Paths in tmp/. */
  readonly unfinished = new Set<string>();
  readonly #options: MadeFilesOptions;
  readonly #delivered = new Set<string>(); // paths in new/

  constructor(options: MadeFilesOptions) {
    this.#options = options;
  }

  /** Returns the calls of one batch, for these files alone. Each directory is looked at once. */
  batchCalls(): Calls<number> {
    const looked = new Set<string>();
    const mustBeOwnOnce = (directory: string) => {
      if (!looked.has(directory)) this.#mustBeOwn(directory);
      looked.add(directory);
    };
    return {
      ...batchCalls,
      create: (path) => {
        this.#mayMake(path, mustBeOwnOnce);
        const file = batchCalls.create(path, FILE_MODE);
        this.unfinished.add(path);
        return file;
      },
      openDirectory: (path) => {
        mustBeOwnOnce(path);
        return batchCalls.openDirectory(path);
      },
      rename: (from, to) => {
        this.#mayRename(from, to);
        mustBeOwnOnce(dirname(from));
        batchCalls.rename(from, to);
        this.#renamed(from, to);
      },
      unlink: (path) => {
        this.#mayUnlink(path);
        batchCalls.unlink(path);
        this.#forget(path);
      },
    };
  }

  async create(path: string): Promise<OpenFile> {
    this.#mayMake(path, (directory) => this.#mustBeOwn(directory));
    const file = await realCalls.create(path, FILE_MODE);
    this.unfinished.add(path);
    return file;
  }

  async unlink(path: string): Promise<void> {
    this.#mayUnlink(path);
    await realCalls.unlink(path);
    this.#forget(path);
  }

  #mayMake(path: string, mustBeOwn: (directory: string) => void): void {
    const maildir = this.#options.paths.staged(path);
    mustBeOwn(dirname(path));
    this.#options.sweep(maildir);
  }

  #mayRename(from: string, to: string): void {
    this.#options.paths.delivered(from, to);
    if (!this.unfinished.has(from)) throw notMade(from);
    if (existsSync(to)) throw Object.assign(new Error(`${to} is there already`), { code: 'EEXIST' });
  }

  #renamed(from: string, to: string): void {
    this.unfinished.delete(from);
    this.#delivered.add(to);
    const [oldest] = this.#delivered;
    if (this.#delivered.size > MOST_DELIVERED && oldest !== undefined) this.#delivered.delete(oldest);
  }

  #mayUnlink(path: string): void {
    if (!this.unfinished.has(path) && !this.#delivered.has(path)) throw notMade(path);
    this.#mustBeOwn(dirname(path));
  }

  #forget(path: string): void {
    this.unfinished.delete(path);
    this.#delivered.delete(path);
  }

  #mustBeOwn(directory: string): void {
    mustBeOwn(directory, this.#options.uid);
  }
}

function notMade(path: string): Error {
  return new Error(`${path} was not made over this connection`);
}
