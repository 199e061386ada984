/**
 * The keys of a recipient: those that the recipient source has, else their own in the key directory, else
 * those of `@domain` there, which serve everybody in the domain who has none.
 */
import { createHash } from 'node:crypto';
import { FileCache } from './filecache.ts';
import { type KeyFile, MAX_KEY_FILE_BYTES, merge, parseKeyFile } from './parsedfiles.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import { WORDS } from './words.ts';

/** What a problem with such a key begins with, as others do with the name of a file. */
const NAME = 'the key of the recipient source';

export class RecipientKeys implements KeySource {
  readonly #directory: KeySource;
  readonly #parsed = new FileCache<KeyFile>();

  constructor(directory: KeySource) {
    this.#directory = directory;
  }

  async keysOf({ address, keys }: KeyOwner): Promise<KeyEntry | undefined> {
    if (keys !== undefined) return merge(await Promise.all(keys.map((key) => this.#parse(key))));
    const own = await this.#directory.keysOf({ address });
    if (own !== undefined || address.startsWith('@')) return own;
    return this.#directory.keysOf({ address: address.slice(address.lastIndexOf('@')) });
  }

  /** Parses a key once: it is known by its bytes. */
  async #parse(key: string | Buffer): Promise<KeyFile> {
    const bytes = Buffer.from(key as string);
    const identity = createHash('sha256').update(bytes).digest('base64');
    const known = this.#parsed.get(identity, identity);
    if (known !== undefined) return known;
    const entry =
      bytes.length > MAX_KEY_FILE_BYTES
        ? { certificates: [], problems: [`${NAME} ${WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024)}`] }
        : await parseKeyFile(NAME, bytes);
    const parsed = { ...entry, identity, bytes: bytes.length };
    this.#parsed.set(identity, parsed);
    return parsed;
  }
}
