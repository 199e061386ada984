/** Makes Maildirs and the directories above them, durable before anything is stored there. */
import { dirname, join } from 'node:path';
import type { Disk } from '../disk/disk.ts';

const MAX_READY = 10_000;

export class Maildirs {
  readonly #disk: Pick<Disk, 'mkdir' | 'syncDirectory'>;
  readonly #root: string;
  readonly #ready = new Map<string, Promise<void>>();

  /** `root`: all Maildirs are under it; never created or synced above it. */
  constructor(disk: Pick<Disk, 'mkdir' | 'syncDirectory'>, root: string) {
    this.#disk = disk;
    this.#root = root;
  }

  /** Makes the Maildir where it is missing, once per mailbox and process; `again` when it vanished. */
  prepare(mailbox: string, again: 'again' | 'once'): Promise<void> {
    if (again === 'again') this.#ready.delete(mailbox);
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
   * Synced up to the root even where the directories exist: whoever made them may have died
   * before it synced them, and a message is no safer than the directories above it.
   */
  async #makeMaildir(mailbox: string): Promise<void> {
    await this.#makeDirectory(mailbox);
    for (const name of ['tmp', 'new', 'cur']) await this.#makeDirectory(join(mailbox, name));
    for (let directory = mailbox; ; directory = dirname(directory)) {
      await this.#disk.syncDirectory(directory);
      if (directory === this.#root || dirname(directory) === directory) return;
    }
  }

  async #makeDirectory(path: string): Promise<void> {
    if (path === this.#root) return;
    try {
      await this.#disk.mkdir(path, 0o700);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return;
      // a missing root is an unmounted disk, not a new site: mail must not go under the mount point
      if (code !== 'ENOENT' || dirname(path) === path || dirname(path) === this.#root) throw error;
      await this.#makeDirectory(dirname(path));
      await this.#makeDirectory(path);
    }
  }
}
