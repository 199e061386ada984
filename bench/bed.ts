// The place where a run of benches happens: one directory for all stores, keys and sockets, and a list of
// what has to be ended.
//
// Nothing is removed before the very end. On ext4 without a journal the inode allocator avoids inodes deleted
// in the last half minute and searches longer and longer for others. A store that is removed between two
// measurements would therefore slow down the second one.

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

  /** Makes the directory of the run in `parent`, which decides on which file system the stores are. */
  static async open(form: Form, parent: string): Promise<Bed> {
    const root = await mkdtemp(join(parent, 'sealdir-bench-'));
    await makeTraversable(root);
    // With this flag ext4 spreads the subdirectories over the disk. Otherwise one store would search for
    // inodes among those that the lock files of another one have used.
    await run('chattr', ['+T', root]).catch(() => undefined);
    return new Bed(form, root);
  }

  pick<T>(quick: T, long: T): T {
    return this.form === 'quick' ? quick : long;
  }

  /** Makes a fresh directory. Its path is short, since paths of sockets have to be. */
  async directory(label: string): Promise<string> {
    const path = join(this.root, `${++this.#count}-${label}`);
    await mkdir(path);
    return path;
  }

  /** Has `end` called on close; the last one given is called first. It must be harmless to call it twice. */
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
