/**
 * The key directory: a file `<address>.asc` or `<address>.pgp` makes an address a recipient and holds its
 * keys. Nothing needs a restart: each look-up asks the file system whether a file is still the one that was
 * parsed, unless it asked less than a second ago (watched.ts). So a new key counts from the next RCPT on, and
 * a change or removal after a second at most. "Could not look" is an error, never "does not exist".
 */
import type { SameAddress } from '../core/address.ts';
import type { World } from '../core/world.ts';
import { FileCalls, LinkedCalls, type Runner } from './calls.ts';
import { LastFound } from './lastfound.ts';
import { type DirectoryEntry, listDirectory, type Walk, walkDirectory } from './listing.ts';
import { NameIndex } from './nameindex.ts';
import { usualNames } from './names.ts';
import { type KeyFile, merge, type OnParsed, ParsedFiles } from './parsedfiles.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import { WatchedDirectory } from './watched.ts';

export interface DirectoryOptions {
  /** Makes the calls to the file system; directly if left out. */
  readonly run?: Runner;
  /** Is told, at most once a second, that the directory hangs and keys of before are used. */
  readonly onSilence?: (message: string) => void;
  readonly onParsed?: OnParsed | undefined;
}

/** There is no key file at all: nobody can say who has none (D18). */
export class EmptyDirectoryError extends Error {}

export class KeyDirectory implements KeySource {
  readonly #directory: string;
  readonly #same: SameAddress;
  readonly #files: ParsedFiles;
  readonly #index: NameIndex;
  readonly #watched: WatchedDirectory<KeyEntry>;
  readonly #last: LastFound;

  constructor(
    directory: string,
    same: SameAddress,
    world: Pick<World, 'now'>,
    { run = (_, call) => call(), onSilence = () => {}, onParsed }: DirectoryOptions = {},
  ) {
    this.#directory = directory;
    this.#same = same;
    const calls = new FileCalls(directory, run);
    this.#files = new ParsedFiles(directory, world, calls, new LinkedCalls(run), onParsed);
    this.#index = new NameIndex(directory, same, world, calls);
    this.#watched = new WatchedDirectory(directory);
    this.#last = new LastFound(directory, calls, world, onSilence);
  }

  keysOf({ address }: KeyOwner): Promise<KeyEntry | undefined> {
    return this.lookup(address);
  }

  /**
   * Returns the entry of a canonical address, or undefined if it has no file. Throws on I/O errors other than
   * a missing file: "could not look" must never be taken for "does not exist". If the directory hangs, the
   * entry is the one of the last minutes.
   */
  lookup(address: string): Promise<KeyEntry | undefined> {
    return this.#last.find(address, () => this.#watched.get(address, () => this.#lookup(address)));
  }

  async #lookup(address: string): Promise<KeyEntry | undefined> {
    const found = await this.#files.load(usualNames(address));
    if (found.length > 0) return this.#remembered(address, found);
    const { others, fileCount } = await this.#index.current();
    // an empty directory is more likely one that is not mounted than a site where nobody exists (D18)
    if (fileCount === 0) throw new EmptyDirectoryError(`${this.#directory} holds no key file`);
    const inOtherSpellings = await this.#files.load(others.get(address) ?? []);
    if (inOtherSpellings.length > 0) return this.#remembered(address, inOtherSpellings);
    this.#last.forget(address);
    return undefined;
  }

  /**
   * Returns everything in the directory but dotfiles, by name: what it stands for, or why it makes no
   * recipient.
   */
  list(): Promise<DirectoryEntry[]> {
    return listDirectory(this.#directory, this.#same, this.#files);
  }

  /** Does the same in groups. `wanted`: the addresses that are asked for; all if left out. */
  walk(wanted?: ReadonlySet<string>): Promise<Walk> {
    return walkDirectory(this.#directory, this.#same, this.#files, wanted);
  }

  async #remembered(address: string, files: readonly KeyFile[]): Promise<KeyEntry> {
    const entry = await merge(files);
    this.#last.remember(address, files, entry);
    return entry;
  }
}
