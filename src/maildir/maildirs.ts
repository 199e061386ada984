/** Makes Maildirs, their folders, and the directories above them, durable before anything is stored there. */
import { dirname, join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import type { Roots } from './roots.ts';

const MAX_READY = 10_000;
/** Maildir++: an empty file that tells a folder from a Maildir. */
export const FOLDER_MARK = 'maildirfolder';

/** Where files go. */
export interface Place {
  /** A Maildir path, there or not. */
  readonly mailbox: string;
  /** The directory of a folder in it, such as `.Lists.sealdir`; '' for the inbox. */
  readonly folder: string;
}

/** Whether a name in a Maildir is that of a folder's directory. */
export function isFolderName(name: string): boolean {
  return /^\.[^.]/.test(name);
}

/** Returns the directory that has the tmp/, new/ and cur/ of a place. */
export function directoryOf({ mailbox, folder }: Place): string {
  return join(mailbox, folder);
}

type MaildirCalls = Pick<Disk, 'mkdir' | 'makeEmpty' | 'syncDirectory'>;

export class Maildirs {
  readonly #disk: MaildirCalls;
  readonly #roots: Roots;
  readonly #ready = new Map<string, Promise<void>>(); // by directory

  constructor(disk: MaildirCalls, roots: Roots) {
    this.#disk = disk;
    this.#roots = roots;
  }

  /**
   * Makes the Maildir, and the folder in it, if it is missing, then does `work`. If `work` fails with ENOENT
   * somebody has removed the Maildir or a part of it: it is made again and `work` done once more.
   * Throws as soon as `isWanted` says no.
   */
  async withMaildir<T>(place: Place, isWanted: () => boolean, work: () => Promise<T>): Promise<T> {
    if (!isWanted()) throw new Error('aborted');
    await this.#prepare(place);
    return work().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || !isWanted()) throw error;
      this.#ready.delete(place.mailbox);
      this.#ready.delete(directoryOf(place));
      await this.#prepare(place);
      return work();
    });
  }

  /** Makes the Maildir and the folder, once per directory and process. */
  #prepare(place: Place): Promise<void> {
    const directory = directoryOf(place);
    let ready = this.#ready.get(directory);
    if (ready === undefined) {
      ready = place.folder === '' ? this.#makeMaildir(place.mailbox) : this.#makeFolder(place);
      this.#ready.set(directory, ready);
      ready.catch(() => this.#ready.delete(directory));
      const [oldest] = this.#ready.keys();
      if (this.#ready.size > MAX_READY && oldest !== undefined) this.#ready.delete(oldest);
    }
    return ready;
  }

  /**
   * Makes the directories and syncs them up to the root they are under, even those that exist: whoever made
   * them may have died before it synced them, and a message is no safer than the directories above it.
   */
  async #makeMaildir(mailbox: string): Promise<void> {
    const root = this.#roots.of(mailbox);
    if (root === undefined) throw new Error(`${mailbox} is in no directory that mailboxes may be in`);
    await this.#makeDirectory(mailbox, root);
    for (const name of ['tmp', 'new', 'cur']) await this.#makeDirectory(join(mailbox, name), root);
    for (let directory = mailbox; ; directory = dirname(directory)) {
      await this.#disk.syncDirectory(directory);
      if (directory === root || dirname(directory) === directory) return;
    }
  }

  /** Makes a folder of a Maildir, and the Maildir before it. Not its subscription: that is the client's. */
  async #makeFolder(place: Place): Promise<void> {
    await this.#prepare({ mailbox: place.mailbox, folder: '' });
    const directory = directoryOf(place);
    for (const name of ['', 'tmp', 'new', 'cur']) await this.#mkdir(join(directory, name));
    await unlessThere(this.#disk.makeEmpty(join(directory, FOLDER_MARK), 0o600));
    for (const each of [directory, place.mailbox]) await this.#disk.syncDirectory(each);
  }

  /**
   * Makes a directory, and before it the one above it where that is missing. Each is tried twice at most,
   * since the answers may contradict each other for ever: for a dangling link mkdir fails with EEXIST, and
   * for a path below it with ENOENT.
   */
  async #makeDirectory(path: string, root: string): Promise<void> {
    if (path === root) return;
    try {
      await this.#mkdir(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // a missing root is a disk that is not mounted, not a new site: mail must not go under the mount point
      if (code !== 'ENOENT' || dirname(path) === path || dirname(path) === root) throw error;
      await this.#makeDirectory(dirname(path), root);
      await this.#mkdir(path);
    }
  }

  #mkdir(path: string): Promise<void> {
    return unlessThere(this.#disk.mkdir(path, 0o700));
  }
}

async function unlessThere(made: Promise<void>): Promise<void> {
  await made.catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}
