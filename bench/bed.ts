// The place a run of benches happens in: one directory for all stores, keys and sockets, and what has to be ended.
//
// Nothing is removed before the very end: on ext4 without a journal the inode allocator avoids inodes deleted in the
// last half minute and searches ever longer for others, so a store removed between two measurements slows the second.

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
    // ext4 then spreads what is in it over the disk, so that nobody searches among the inodes that another's lock files had
    await run('chattr', ['+T', root]).catch(() => undefined);
    return new Bed(form, root, other);
  }

  pick<T>(quick: T, long: T): T {
    return this.form === 'quick' ? quick : long;
  }

  /** Makes a fresh directory; short, since socket paths are. Throws once the bed is closing: nothing begins any more. */
  async directory(label: string): Promise<string> {
    if (this.#isClosing) throw new Error('the benches have been ended');
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
    this.#isClosing = true;
    this.progress('');
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end();
    await run('rm', ['-rf', this.root], { timeoutMs: REMOVAL_MS });
  }
}
