/**
 * The key directory: a file `<address>.asc` or `<address>.pgp` makes an address a recipient and holds its
 * keys. Nothing needs a restart: each look-up asks the file system whether a file is still the one that was
 * parsed, unless it asked less than a second ago (watched.ts). So a new key counts from the next RCPT on, and
 * a change or removal after a second at most. "Could not look" is an error, never "does not exist".
 */
import type { SameAddress } from '../core/address.ts';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { FileCalls, LinkedCalls, type Runner, SILENT_AFTER_MS, SilentError } from './calls.ts';
import { FileCache, type ParsedFile } from './filecache.ts';
import { type DirectoryEntry, listDirectory, type Walk, walkDirectory } from './listing.ts';
import { NameIndex } from './nameindex.ts';
import { usualNames } from './names.ts';
import { type KeyFile, merge, ParsedFiles } from './parsedfiles.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import { WatchedDirectory } from './watched.ts';

export interface DirectoryOptions {
  /** Makes the calls to the file system; directly if left out. */
  readonly run?: Runner;
  /** Is told, at most once a second, that the directory hangs and keys of before are used. */
  readonly onSilence?: (message: string) => void;
}

/** While the directory hangs, keys that were found this recently are used. */
const KNOWN_MS = 5 * 60_000;
const TELL_MS = 1000;

type Known = ParsedFile & { readonly entry: KeyEntry; readonly at: number };

export class KeyDirectory implements KeySource {
  readonly #directory: string;
  readonly #same: SameAddress;
  readonly #world: Pick<World, 'now'>;
  readonly #calls: FileCalls;
  readonly #files: ParsedFiles;
  readonly #index: NameIndex;
  readonly #watched: WatchedDirectory<KeyEntry>;
  readonly #known = new FileCache<Known>();
  readonly #onSilence: (message: string) => void;
  #toldAt = 0;

  constructor(
    directory: string,
    same: SameAddress,
    world: Pick<World, 'now'>,
    { run = (_, call) => call(), onSilence = () => {} }: DirectoryOptions = {},
  ) {
    this.#directory = directory;
    this.#same = same;
    this.#world = world;
    this.#calls = new FileCalls(directory, run);
    this.#files = new ParsedFiles(directory, world, this.#calls, new LinkedCalls(run));
    this.#index = new NameIndex(directory, same, world, this.#calls);
    this.#watched = new WatchedDirectory(directory);
    this.#onSilence = onSilence;
  }

  keysOf({ address }: KeyOwner): Promise<KeyEntry | undefined> {
    return this.lookup(address);
  }

  /**
   * Returns the entry of a canonical address, or undefined if it has no file. Throws on I/O errors other than
   * a missing file: "could not look" must never be taken for "does not exist". If the directory hangs, the
   * entry is the one of the last minutes.
   */
  async lookup(address: string): Promise<KeyEntry | undefined> {
    if (this.#calls.isSilent) {
      const known = this.#knownEntry(address);
      // nobody else begins to wait: those that wait already are enough to find out when it answers again
      if (known === undefined) throw new SilentError(this.#directory);
      return known;
    }
    const asked = this.#watched.get(address, () => this.#lookup(address));
    const found = await within(asked, SILENT_AFTER_MS).catch((error: unknown) => {
      const known = error instanceof SilentError ? this.#knownEntry(address) : undefined;
      if (known === undefined) throw error;
      return known;
    });
    return found === 'late' ? (this.#knownEntry(address) ?? asked) : found;
  }

  async #lookup(address: string): Promise<KeyEntry | undefined> {
    const found = await this.#files.load(usualNames(address));
    if (found.length > 0) return this.#remembered(address, found);
    const { others, fileCount } = await this.#index.current();
    // an empty directory is more likely one that is not mounted than a site where nobody exists (D18)
    if (fileCount === 0) throw new Error(`${this.#directory} holds no key file`);
    const inOtherSpellings = await this.#files.load(others.get(address) ?? []);
    if (inOtherSpellings.length > 0) return this.#remembered(address, inOtherSpellings);
    this.#known.delete(address);
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
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    this.#known.set(address, { identity: '', bytes, entry, at: this.#world.now() });
    return entry;
  }

  /** Returns what was found for an address in the last minutes. Asked only while the directory hangs. */
  #knownEntry(address: string): KeyEntry | undefined {
    const now = this.#world.now();
    const known = this.#known.get(address, '');
    if (known === undefined || now - known.at > KNOWN_MS) return undefined;
    if (now - this.#toldAt >= TELL_MS) {
      this.#toldAt = now;
      this.#onSilence(`${this.#directory} does not answer: keys that were read before are used`);
    }
    return known.entry;
  }
}
