/**
 * What a delivery may touch, whoever asks for it: new files in the tmp/ of a Maildir, with names that only
 * Sealdir gives, which go to the new/ beside it; directories of mailboxes; and nothing else of a user's.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isUniqueName } from '../maildir/filename.ts';
import { FOLDER_MARK, isFolderName } from '../maildir/maildirs.ts';
import { Roots } from '../maildir/roots.ts';

const SIZES = /^,S=\d{1,16},W=\d{1,16}$/;
const MOST_PATH = 4096;

export class DeliveryPaths {
  readonly #roots: Roots;

  /** All mailboxes are under one of these directories. */
  constructor(roots: readonly string[]) {
    this.#roots = new Roots(roots);
  }

  /** Returns the Maildir of a file in its tmp/. Throws if it is none, as all others do. */
  staged(path: string): string {
    const folder = this.#file(path, ['tmp']);
    if (!isUniqueName(basename(path))) throw notOurs(path);
    return dirname(folder);
  }

  /** Tells whether the file in tmp/ becomes this one, in the new/ of the same Maildir, with the same name. */
  delivered(from: string, to: string): void {
    const maildir = this.staged(from);
    const start = join(maildir, 'new', basename(from));
    if (!isWhole(to) || !to.startsWith(start) || !SIZES.test(to.slice(start.length))) throw notOurs(to);
  }

  /** A line of the maildirsize of a Maildir. */
  size(path: string, line: string): void {
    this.madeDirectory(dirname(path));
    if (basename(path) !== 'maildirsize' || !/^\d{1,16} 1$/.test(line)) throw notOurs(path);
  }

  /** Tells whether a directory is one with messages; else it has to be a Maildir, with folders perhaps. */
  holdsMessages(path: string): boolean {
    this.madeDirectory(path);
    if (['new', 'cur'].includes(basename(path))) return true;
    // one that is not there has no folders, and is none of ours either
    if (!['new', 'cur'].every((name) => existsSync(join(path, name))))
      throw Object.assign(notOurs(path), { code: 'ENOENT' });
    return false;
  }

  /** The empty file in the directory of a folder that says what it is. */
  mark(path: string): void {
    const folder = dirname(path);
    this.madeDirectory(path);
    this.madeDirectory(dirname(folder));
    if (basename(path) !== FOLDER_MARK || !isFolderName(basename(folder))) throw notOurs(path);
  }

  /** What is asked about: a directory with messages, one of them, or the directory right under a root. */
  stat(path: string): void {
    this.directory(path);
    if (['new', 'cur'].includes(basename(path)) || this.#isTop(path)) return;
    this.#file(path, ['new', 'cur']);
  }

  /** A root, or right under one. */
  #isTop(path: string): boolean {
    return [path, dirname(path)].some((each) => this.#roots.of(join(path, 'x')) === each);
  }

  /** A directory under a root, or a root. */
  directory(path: string): void {
    // a root is not under itself, but everything in it is
    if (!isWhole(path) || this.#roots.of(join(path, 'x')) === undefined) throw notOurs(path);
  }

  /** A directory under a root. */
  madeDirectory(path: string): void {
    if (!isWhole(path) || this.#roots.of(path) === undefined) throw notOurs(path);
  }

  /** Returns the directory of a file in a Maildir. */
  #file(path: string, folders: readonly string[]): string {
    this.madeDirectory(path);
    const folder = dirname(path);
    this.madeDirectory(dirname(folder));
    if (!folders.includes(basename(folder))) throw notOurs(path);
    return folder;
  }
}

/** Whether it is an absolute path with nothing in it that leads elsewhere. */
function isWhole(path: unknown): path is string {
  return (
    typeof path === 'string' && path.length <= MOST_PATH && path === resolve(path) && !path.includes('\0')
  );
}

function notOurs(path: unknown): Error {
  return new Error(`${String(path).slice(0, 200)} is nothing that a delivery touches`);
}
