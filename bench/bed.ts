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

/** `all`: the long form, of `disks` every cell. */
export type Form = 'quick' | 'long' | 'all';

export class Bed {
  readonly form: Form;
  readonly root: string;
  /** Directory of another build of Sealdir to compare with, if one was given. */
  readonly other: string | undefined;
  readonly #ends: (() => Promise<unknown>)[] = [];
  #count = 0;
  #isClosing = false;

  private constructor(form: Form, root: string, other: string | undefined) {
    this.form = form;
    this.root = root;
    this.other = other;
  }

  /** `parent` decides on which file system the stores are. */
  static async open(form: Form, parent: string, other?: string): Promise<Bed> {
    const root = await mkdtemp(join(parent, 'sealdir-bench-'));
    await makeTraversable(root);
    // With this flag ext4 spreads the subdirectories over the disk. Otherwise one store would search for
    // inodes among those that the lock files of another one have used.
    await run('chattr', ['+T', root]).catch(() => undefined);
    return new Bed(form, root, other);
  }

  /** An interruption has ended all benches. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  pick<T>(quick: T, long: T): T {
    return this.form === 'quick' ? quick : long;
  }

  /**
   * Makes a fresh directory. Its path is short, as those of sockets must be. Throws once the bed is closing.
   */
  async directory(label: string): Promise<string> {
    if (this.#isClosing) throw new Error('the benches have been ended');
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
    this.#isClosing = true;
    this.progress('');
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end();
    await run('rm', ['-rf', this.root], { timeoutMs: REMOVAL_MS });
  }
}
