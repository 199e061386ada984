/**
 * Removes what crashes left in tmp/: files neither read nor written for 36 hours (maildir(5)). Only
 * what is surely ours: in the tmp/ of a Maildir, with a name of our form, a regular file of our user
 * with no second name. Never looks into new/ or cur/, never follows a link, goes on past what it
 * cannot read, and does not wait for a file system that hangs.
 */
import type { Stats } from 'node:fs';
import { lstat, opendir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { within } from '../core/deadline.ts';
import type { FileSystems } from '../disk/filesystems.ts';
import { isUniqueName } from './filename.ts';
import { isFolderName } from './maildirs.ts';
import { splitTemplate } from './template.ts';

const STALE_MS = 36 * 60 * 60 * 1000;
/** What does not answer for this long is left to the next sweep. */
const WAIT_MS = 5000;
/** Between a root and a mailbox that a source has placed. */
const MOST_LEVELS = 8;
/** Of one directory. A file system that never comes to the end of a list must not keep the sweep. */
const MAX_NAMES = 1_000_000;

export interface SweepParts {
  /** Of the paths of mailboxes. */
  readonly template: string;
  /** Directories with mailboxes at other places below them. */
  readonly roots?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly fileSystems: Pick<FileSystems, 'run'>;
  readonly waitMs?: number;
}

export interface SweepResult {
  readonly removed: number;
  /** Old files that could not be removed, and directories that did not answer. */
  readonly failed: number;
}

/** Sweeps the tmp/ of every mailbox under the template, and of their folders. */
export async function sweep(parts: SweepParts): Promise<SweepResult> {
  const { root, segments } = splitTemplate(parts.template);
  const sweeper = new Sweeper(parts);
  for await (const mailbox of sweeper.mailboxes(root, segments)) await sweeper.sweepMailbox(mailbox);
  for (const each of parts.roots ?? [])
    for await (const mailbox of sweeper.mailboxesBelow(each, MOST_LEVELS))
      await sweeper.sweepMailbox(mailbox);
  return sweeper.result;
}

/** Sweeps the tmp/ of one mailbox and of its folders. */
export async function sweepMailbox(
  mailbox: string,
  parts: Omit<SweepParts, 'template'>,
): Promise<SweepResult> {
  const sweeper = new Sweeper(parts);
  await sweeper.sweepMailbox(mailbox);
  return sweeper.result;
}

class Sweeper {
  readonly #parts: Omit<SweepParts, 'template'>;
  #removed = 0;
  #failed = 0;

  constructor(parts: Omit<SweepParts, 'template'>) {
    this.#parts = parts;
  }

  get result(): SweepResult {
    return { removed: this.#removed, failed: this.#failed };
  }

  async *mailboxes(directory: string, segments: readonly string[]): AsyncGenerator<string> {
    const [segment, ...rest] = segments;
    if (segment === undefined) {
      yield directory;
      return;
    }
    for await (const name of segment.includes('{') ? this.#namesIn(directory) : [segment]) {
      const path = join(directory, name);
      if (await this.#isDirectory(path)) yield* this.mailboxes(path, rest);
    }
  }

  /** Yields every directory that has what a Maildir has; looks for none inside of one. */
  async *mailboxesBelow(directory: string, levels: number): AsyncGenerator<string> {
    for await (const name of this.#namesIn(directory)) {
      const path = join(directory, name);
      if (name.startsWith('.') || !(await this.#isDirectory(path))) continue;
      if (await this.#isMaildir(path)) yield path;
      else if (levels > 1) yield* this.mailboxesBelow(path, levels - 1);
    }
  }

  async #isMaildir(path: string): Promise<boolean> {
    for (const name of ['new', 'cur', 'tmp']) if (!(await this.#isDirectory(join(path, name)))) return false;
    return true;
  }

  async sweepMailbox(mailbox: string): Promise<void> {
    if (!(await this.#isMaildir(mailbox))) return; // a tmp/ that stands alone is somebody's own
    await this.#sweepTmp(mailbox);
    for await (const name of this.#namesIn(mailbox)) {
      const folder = join(mailbox, name);
      if (!isFolderName(name) || !(await this.#isDirectory(folder))) continue; // links lead nowhere
      if (await this.#isMaildir(folder)) await this.#sweepTmp(folder);
    }
  }

  async #sweepTmp(maildir: string): Promise<void> {
    for await (const name of this.#namesIn(join(maildir, 'tmp')))
      if (isUniqueName(name)) await this.#sweepFile(join(maildir, 'tmp', name));
  }

  async #sweepFile(path: string): Promise<void> {
    try {
      const stats = await this.#ask(dirname(path), () => lstat(path));
      if (!isOurs(stats) || this.#parts.now - Math.max(stats.mtimeMs, stats.atimeMs) < STALE_MS) return;
      await this.#ask(dirname(path), () => unlink(path));
      this.#removed++;
    } catch {
      this.#failed++; // told by the caller; the next sweep tries again
    }
  }

  /** False for a link to a directory, and for what is gone or not ours to look at. */
  async #isDirectory(path: string): Promise<boolean> {
    try {
      return (await this.#ask(path, () => lstat(path))).isDirectory();
    } catch (error) {
      this.#note(error);
      return false;
    }
  }

  async *#namesIn(directory: string): AsyncGenerator<string> {
    try {
      const opening = this.#parts.fileSystems.run(directory, () => opendir(directory));
      const list = await this.#inTime(opening);
      try {
        for (let count = 0; count < MAX_NAMES; count++) {
          const entry = await this.#ask(directory, () => list.read());
          if (entry === null) break;
          yield entry.name;
        }
      } finally {
        list.close().catch(() => {}); // not awaited: it may hang like the call before it
      }
    } catch (error) {
      this.#note(error);
    }
  }

  /** Gone meanwhile, not ours to read, or a failing disk: nothing to sweep there today. */
  #note(error: unknown): void {
    if (!('code' in (error as Error))) this.#failed++; // it does not answer
  }

  /**
   * Makes a call about something in a directory, or the directory itself, under the share of its file system.
   */
  #ask<T>(directory: string, call: () => Promise<T>): Promise<T> {
    return this.#inTime(this.#parts.fileSystems.run(directory, call));
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const inTime = await within(answer, this.#parts.waitMs ?? WAIT_MS);
    if (inTime === 'late') throw new Error('the file system does not answer');
    return inTime;
  }
}

function isOurs(stats: Stats): boolean {
  return stats.isFile() && stats.nlink === 1 && stats.uid === process.geteuid?.();
}
