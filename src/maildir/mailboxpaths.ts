/**
 * Where the mailbox of an address is: the template filled with it (template.ts), or the path in the
 * former spelling while a directory is there, so that a mailbox never moves by an update.
 */
import type { Disk } from '../disk/disk.ts';
import { formerMailboxPath, isStorable, mailboxPath } from './template.ts';

export class MailboxPaths {
  readonly #disk: Pick<Disk, 'isDirectory'>;
  readonly #template: string;

  constructor(disk: Pick<Disk, 'isDirectory'>, template: string) {
    this.#disk = disk;
    this.#template = template;
  }

  /** Returns the Maildir path of a canonical address; undefined if it is too long for a file system. */
  async of(address: string): Promise<string | undefined> {
    const path = mailboxPath(this.#template, address);
    const former = formerMailboxPath(this.#template, address);
    if (former !== path && isStorable(former) && (await this.#disk.isDirectory(former))) return former;
    return isStorable(path) ? path : undefined;
  }
}
