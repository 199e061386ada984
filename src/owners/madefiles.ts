/**
 * The files that one connection has made. Only these are renamed or removed for it, and nothing that was
 * there before is touched.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Calls } from '../disk/batch.ts';
import { realCalls } from '../disk/calls.ts';
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
  /** The calls of a batch, for these files alone. */
  readonly batchCalls: Calls<number>;
  readonly #options: MadeFilesOptions;
  readonly #delivered = new Set<string>(); // paths in new/

  constructor(options: MadeFilesOptions) {
    this.#options = options;
    this.batchCalls = {
      ...batchCalls,
      create: (path) => {
        this.mayMake(path);
        const file = batchCalls.create(path, FILE_MODE);
        this.unfinished.add(path);
        return file;
      },
      openDirectory: (path) => {
        mustBeOwn(path, options.uid);
        return batchCalls.openDirectory(path);
      },
      rename: (from, to) => this.#rename(from, to),
      unlink: (path) => {
        this.#mayUnlink(path);
        batchCalls.unlink(path);
        this.#forget(path);
      },
    };
  }

  /** Throws unless a delivery may make a file there. */
  mayMake(path: string): void {
    const maildir = this.#options.paths.staged(path);
    mustBeOwn(dirname(path), this.#options.uid);
    this.#options.sweep(maildir);
  }

  async unlink(path: string): Promise<void> {
    this.#mayUnlink(path);
    await realCalls.unlink(path);
    this.#forget(path);
  }

  #rename(from: string, to: string): void {
    this.#options.paths.delivered(from, to);
    if (!this.unfinished.has(from)) throw notMade(from);
    mustBeOwn(dirname(from), this.#options.uid);
    if (existsSync(to)) throw Object.assign(new Error(`${to} is there already`), { code: 'EEXIST' });
    batchCalls.rename(from, to);
    this.unfinished.delete(from);
    this.#delivered.add(to);
    const [oldest] = this.#delivered;
    if (this.#delivered.size > MOST_DELIVERED && oldest !== undefined) this.#delivered.delete(oldest);
  }

  #mayUnlink(path: string): void {
    if (!this.unfinished.has(path) && !this.#delivered.has(path)) throw notMade(path);
    mustBeOwn(dirname(path), this.#options.uid);
  }

  #forget(path: string): void {
    this.unfinished.delete(path);
    this.#delivered.delete(path);
  }
}

function notMade(path: string): Error {
  return new Error(`${path} was not made over this connection`);
}
