/**
 * Notes each stored message in the `maildirsize` of its Maildir (Maildir++), for Courier and Dovecot 2.3,
 * which count the quota there. Only where the file is: those who read it make it, and count anew.
 */
import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';

export interface MaildirSizesParts {
  readonly disk: Pick<Disk, 'append'>;
  /** Is told when a message could not be noted: the quota is too small by it until somebody counts anew. */
  fault(error: unknown): void;
}

export class MaildirSizes {
  readonly #parts: MaildirSizesParts;
  /** Mailbox -> its last note: notes of one process must not wait for each other's lock. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(parts: MaildirSizesParts) {
    this.#parts = parts;
  }

  /** A message of so many bytes is durable in a mailbox. Returns at once, and never throws. */
  stored(mailbox: string, bytes: number): void {
    const before = this.#underWay.get(mailbox) ?? Promise.resolve();
    const noting = before.then(() => this.#note(mailbox, bytes));
    this.#underWay.set(mailbox, noting);
    void noting.then(() => {
      if (this.#underWay.get(mailbox) === noting) this.#underWay.delete(mailbox);
    });
  }

  async #note(mailbox: string, bytes: number): Promise<void> {
    const { disk, fault } = this.#parts;
    await disk.append(join(mailbox, 'maildirsize'), `${bytes} 1`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') fault(error);
    });
  }
}
