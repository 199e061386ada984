/** Makes Maildirs and the directories above them, durable before anything is stored there. */
import { dirname, join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import type { Roots } from './roots.ts';

const MAX_READY = 10_000;

export class Maildirs {
  readonly #disk: Pick<Disk, 'mkdir' | 'syncDirectory'>;
  readonly #roots: Roots;
  readonly #ready = new Map<string, Promise<void>>(); // by mailbox

  constructor(disk: Pick<Disk, 'mkdir' | 'syncDirectory'>, roots: Roots) {
    this.#disk = disk;
    this.#roots = roots;
  }

  /**
   * Makes the Maildir if it is missing, then does `work`. If `work` fails with ENOENT
   * somebody has removed the Maildir or a part of it: it is made again and `work` done once more.
   * Throws as soon as `isWanted` says no.
   */
  async withMaildir<T>(mailbox: string, isWanted: () => boolean, work: () => Promise<T>): Promise<T> {
    if (!isWanted()) throw new Error('aborted');
    await this.#prepare(mailbox);
    return work().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || !isWanted()) throw error;
      this.#ready.delete(mailbox);
      await this.#prepare(mailbox);
      return work();
    });
  }

  /** Makes the Maildir, once per mailbox and process. */
  #prepare(mailbox: string): Promise<void> {
    let ready = this.#ready.get(mailbox);
    if (ready === undefined) {
      ready = this.#makeMaildir(mailbox);
      this.#ready.set(mailbox, ready);
      ready.catch(() => this.#ready.delete(mailbox));
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

  async #mkdir(path: string): Promise<void> {
    await this.#disk.mkdir(path, 0o700).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
