/**
 * Notes each stored message in the `maildirsize` of its Maildir (Maildir++), for Courier and Dovecot 2.3,
 * which count the quota there. Only where the file is: those who read it make it, and count anew.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileSystems } from '../disk/filesystems.ts';

export interface MaildirSizesParts {
  readonly fileSystems: Pick<FileSystems, 'run'>;
  /** Locks an open file until it is closed; false if another process has it. */
  lock(fd: number): boolean;
  /** Is told when a message could not be noted: the quota is too small by it until somebody counts anew. */
  fault(error: unknown): void;
}

/** Others hold the lock for the time of one write. */
const TRIES = 20;
const TRY_MS = 10;

// never made; a link is not followed, and a named pipe not waited for
const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;

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
    const noting = before.then(() => this.#note(mailbox, bytes)).catch(this.#parts.fault);
    this.#underWay.set(mailbox, noting);
    void noting.then(() => {
      if (this.#underWay.get(mailbox) === noting) this.#underWay.delete(mailbox);
    });
  }

  async #note(mailbox: string, bytes: number): Promise<void> {
    const path = join(mailbox, 'maildirsize');
    const ask = <T>(call: () => Promise<T>) => this.#parts.fileSystems.run(mailbox, call);
    const opening = ask(() => open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK));
    const file = await opening.catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (file === undefined) return;
    try {
      if (!(await ask(() => file.stat())).isFile()) throw new Error(`${path} is no file`);
      for (let n = 0; !this.#parts.lock(file.fd); n++) {
        if (n === TRIES) throw new Error(`${path} is locked by another program`);
        await new Promise((resolve) => setTimeout(resolve, TRY_MS));
      }
      await ask(() => file.write(`${bytes} 1\n`));
    } finally {
      await ask(() => file.close());
    }
  }
}
