/**
 * `recipients.source = "keys"`: an address exists if the key directory or the local web key directory has a
 * file for it.
 */
import { EmptyDirectoryError } from '../keys/directory.ts';
import type { KeySource } from '../keys/source.ts';
import type { Recipient, RecipientSource } from './source.ts';

export class KeyFiles implements RecipientSource {
  readonly #directory: KeySource;
  readonly #tree: KeySource | undefined;

  constructor(directory: KeySource, tree?: KeySource) {
    this.#directory = directory;
    this.#tree = tree;
  }

  async find(address: string): Promise<Recipient | undefined> {
    try {
      if ((await this.#directory.keysOf({ address })) !== undefined) return { address };
    } catch (error) {
      // whom the tree has exists; of others an empty directory says nothing (D18)
      if (!(error instanceof EmptyDirectoryError) || !(await this.#hasInTree(address))) throw error;
      return { address };
    }
    return (await this.#hasInTree(address)) ? { address } : undefined;
  }

  async #hasInTree(address: string): Promise<boolean> {
    return (await this.#tree?.keysOf({ address })) !== undefined;
  }
}
