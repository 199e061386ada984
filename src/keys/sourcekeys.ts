/**
 * The keys that a recipient source has in its column or attribute: each recipient's are parsed and united
 * once, as long as they are the same.
 */
import { createHash } from 'node:crypto';
import { FileCache } from './filecache.ts';
import { type KeyFile, MAX_KEY_FILE_BYTES, merge, parseKeyFile } from './parsedfiles.ts';
import type { KeyEntry } from './source.ts';
import { WORDS } from './words.ts';

/** What a problem with such a key begins with, as others do with the name of a file. */
const NAME = 'the key of the recipient source';

export class SourceKeys {
  readonly #united = new FileCache<KeyFile>();

  /** Returns the keys as those of one recipient. They are known by the bytes of all of them, in order. */
  async entryOf(keys: readonly (string | Buffer)[]): Promise<KeyEntry> {
    const all = keys.map((key) => Buffer.from(key as string));
    const identity = sha256(Buffer.concat(all.map(sha256))).toString('base64');
    const known = this.#united.get(identity, identity);
    if (known !== undefined) return known;
    const entry = await merge(await Promise.all(all.map(parse)));
    const bytes = all.reduce((sum, { length }) => sum + length, 0);
    const united = { ...entry, identity, bytes };
    this.#united.set(identity, united);
    return united;
  }
}

async function parse(bytes: Buffer): Promise<KeyEntry> {
  if (bytes.length <= MAX_KEY_FILE_BYTES) return parseKeyFile(NAME, bytes);
  return { certificates: [], problems: [`${NAME} ${WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024)}`] };
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
