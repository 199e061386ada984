// The place a run of benches happens in: one directory for all stores, keys and sockets, and what has to be ended.
//
// Nothing is removed before the very end: on ext4 without a journal the inode allocator avoids inodes deleted in the
// last half minute and searches ever longer for others, so a store removed between two measurements slows the second.

import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../test/support/process.ts';
import { makeTraversable } from '../test/support/traversable.ts';

const REMOVAL_MS = 15 * 60_000;

export type Form = 'quick' | 'long';

export class Bed {
  readonly form: Form;
  readonly root: string;
  readonly #ends: (() => Promise<unknown>)[] = [];
  #count = 0;

  private constructor(form: Form, root: string) {
    this.form = form;
    this.root = root;
  }

  /** `parent` decides on which file system the stores are. */
  static async open(form: Form, parent: string): Promise<Bed> {
    const root = await mkdtemp(join(parent, 'sealdir-bench-'));
    await makeTraversable(root);
    // ext4 then spreads what is in it over the disk, so that nobody searches among the inodes that another's lock files had
    await run('chattr', ['+T', root]).catch(() => undefined);
    return new Bed(form, root);
  }

  pick<T>(quick: T, long: T): T {
    return this.form === 'quick' ? quick : long;
  }

  /** A fresh directory; short, since socket paths are. */
  async directory(label: string): Promise<string> {
    const path = join(this.root, `${++this.#count}-${label}`);
    await mkdir(path);
    return path;
  }

  /** Done on close, last first. What is given must be harmless when it was done before. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  progress(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  }

  async close(): Promise<void> {
    this.progress('');
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end();
    await run('rm', ['-rf', this.root], { timeoutMs: REMOVAL_MS });
  }
}
