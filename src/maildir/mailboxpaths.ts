/**
 * Where the mailbox of a recipient is: where their source says, if that is under a root; else the template
 * filled with the address (template.ts), or the path in the former spelling while a directory is there, so
 * that a mailbox never moves by an update.
 */
import { isAbsolute, join, resolve } from 'node:path';
import { Roots } from './roots.ts';
import { formerMailboxPath, isStorable, mailboxPath } from './template.ts';

/** Whose mailbox is wanted. */
export interface MailboxOwner {
  /** The canonical address. */
  readonly address: string;
  /** As the source has it; one that is not absolute is under the first root. Left out: by the template. */
  readonly maildir?: string | undefined;
}

/** Where a path is looked at: the store of the mailbox. */
export interface Directories {
  isDirectory(path: string): Promise<boolean>;
}

export class MailboxPaths {
  readonly #template: string;
  readonly #firstRoot: string | undefined;
  readonly #roots: Roots;
  readonly #folder: string;

  /** `roots`: where sources may place mailboxes; `folder`: where below their paths. */
  constructor(template: string, roots: readonly string[] = [], folder = '') {
    this.#template = template;
    this.#firstRoot = roots[0];
    this.#roots = new Roots(roots);
    this.#folder = folder;
  }

  /**
   * Returns a Maildir path; undefined if it is too long for a file system. Throws if the source's path is
   * under none of the roots.
   */
  async of({ address, maildir }: MailboxOwner, store: Directories): Promise<string | undefined> {
    if (maildir !== undefined) return this.#placed(maildir);
    const path = mailboxPath(this.#template, address);
    const former = formerMailboxPath(this.#template, address);
    if (former !== path && isStorable(former) && (await store.isDirectory(former))) return former;
    return isStorable(path) ? path : undefined;
  }

  #placed(maildir: string): string | undefined {
    const whole = isAbsolute(maildir) ? maildir : join(this.#firstRoot ?? '', maildir);
    const path = resolve(whole, this.#folder);
    const leaves = maildir.split('/').includes('..') || this.#roots.of(path) === undefined;
    if (leaves || !isAbsolute(whole)) throw new Error(`recipients.roots: ${maildir} is under none of them`);
    return isStorable(path) ? path : undefined;
  }
}
