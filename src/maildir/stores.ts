/**
 * The stores of a site: the one of the user that Sealdir runs as, and one for each other user whose files are
 * to be their own.
 */
import type { Owner } from '../core/owner.ts';
import type { Store } from './store.ts';

/** Which a site with many users goes through in a while. */
const MAX_STORES = 1000;

export class Stores {
  readonly #own: Store;
  readonly #openOwned: ((owner: Owner) => Store) | undefined;
  readonly #owned = new Map<string, Store>(); // by uid and gid, those used last at the end

  /** Without `openOwned` all files belong to the user that Sealdir runs as. */
  constructor(own: Store, openOwned?: (owner: Owner) => Store) {
    this.#own = own;
    this.#openOwned = openOwned;
  }

  /** Returns the store that makes the files of an owner. */
  of(owner: Owner | undefined): Store {
    if (owner === undefined || this.#openOwned === undefined) return this.#own;
    const name = `${owner.uid}:${owner.gid}`;
    const store = this.#owned.get(name) ?? this.#openOwned(owner);
    this.#owned.delete(name);
    this.#owned.set(name, store);
    const [oldest] = this.#owned.keys();
    if (this.#owned.size > MAX_STORES && oldest !== undefined) this.#owned.delete(oldest);
    return store;
  }
}
