/** Which store a recipient's Maildir is in, and its path there. */
import type { Owner } from '../core/owner.ts';
import type { MailboxOwner, MailboxPaths } from './mailboxpaths.ts';
import type { Store } from './store.ts';
import type { Stores } from './stores.ts';

export class MaildirPlaces {
  readonly #stores: Stores;
  readonly #paths: MailboxPaths;

  constructor(stores: Stores, paths: MailboxPaths) {
    this.#stores = stores;
    this.#paths = paths;
  }

  /** Undefined if the path is too long. Throws if the path of the source is under none of the roots. */
  async of(
    recipient: MailboxOwner & { readonly owner?: Owner | undefined },
  ): Promise<{ store: Store; mailbox: string } | undefined> {
    const store = this.#stores.of(recipient.owner);
    const mailbox = await this.#paths.of(recipient, store);
    return mailbox === undefined ? undefined : { store, mailbox };
  }
}
