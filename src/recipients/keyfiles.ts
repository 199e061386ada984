/** `recipients.source = "keys"`: an address exists if the key directory has a file for it. */
import type { KeyDirectory } from '../keys/directory.ts';
import type { Recipient, RecipientSource } from './source.ts';

export class KeyFiles implements RecipientSource {
  readonly #directory: Pick<KeyDirectory, 'lookup'>;

  constructor(directory: Pick<KeyDirectory, 'lookup'>) {
    this.#directory = directory;
  }

  async find(address: string): Promise<Recipient | undefined> {
    return (await this.#directory.lookup(address)) && { address };
  }
}
