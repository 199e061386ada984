/**
 * The keys of a recipient. The first of these that has any is asked for no other:
 *
 * 1. the recipient source, in its column or attribute for keys
 * 2. their own file in the key directory
 * 3. their own file in the local web key directory
 * 4. the web key directory of their domain, over the network
 * 5. the file of `@domain` in the key directory, which serves everybody in the domain who has no key
 *
 * One that cannot be asked ends the search: the others could have less than its owner meant. Only a key
 * directory without any file does not, as long as a key is found elsewhere (D18).
 */
import { EmptyDirectoryError } from './directory.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import { SourceKeys } from './sourcekeys.ts';
import type { RemoteWkd } from './wkdremote.ts';

/** Where a key was found, in the words of an operator. */
export type Origin =
  | 'recipients.source'
  | 'keys.directory'
  | 'keys.wkd_directory'
  | 'keys.wkd'
  | 'keys.directory, of the domain';

export interface FoundKeys {
  readonly entry: KeyEntry;
  readonly origin: Origin;
}

export interface KeySources {
  readonly directory: KeySource;
  /** Undefined where the site has none. */
  readonly tree: KeySource | undefined;
  readonly remote: RemoteWkd | undefined;
}

export class RecipientKeys implements KeySource {
  readonly sources: KeySources;
  readonly #sourceKeys = new SourceKeys();

  constructor(sources: KeySources) {
    this.sources = sources;
  }

  async keysOf(owner: KeyOwner): Promise<KeyEntry | undefined> {
    return (await this.find(owner))?.entry;
  }

  /** Returns undefined if nobody has a key. Throws if somebody could not be asked. */
  async find(owner: KeyOwner): Promise<FoundKeys | undefined> {
    const { directory, tree, remote } = this.sources;
    const { address, keys } = owner;
    if (keys !== undefined) {
      return { entry: await this.#sourceKeys.entryOf(keys), origin: 'recipients.source' };
    }
    const own = await unlessEmpty(directory.keysOf(owner));
    if (own !== undefined) return { entry: own, origin: 'keys.directory' };
    const published = await tree?.keysOf(owner);
    if (published !== undefined) return { entry: published, origin: 'keys.wkd_directory' };
    const fetched = await remote?.keysOf(owner);
    if (fetched !== undefined) return { entry: fetched, origin: 'keys.wkd' };
    // an empty directory fails here: nobody can say who has no key
    const common = await directory.keysOf({ address: address.slice(address.lastIndexOf('@')) });
    return common && { entry: common, origin: 'keys.directory, of the domain' };
  }
}

/** Takes a directory without a key file for one without the key that was asked for. */
async function unlessEmpty(looking: Promise<KeyEntry | undefined>): Promise<KeyEntry | undefined> {
  return looking.catch((error: unknown) => {
    if (error instanceof EmptyDirectoryError) return undefined;
    throw error;
  });
}
