/**
 * The key directory: a file `<address>.asc` or `<address>.pgp` makes an address a recipient and holds its
 * keys. Nothing needs a restart: each look-up asks the file system whether a file is still the one that was
 * parsed, unless it asked less than a second ago (watched.ts). So a new key counts from the next RCPT on, and
 * a change or removal after a second at most. "Could not look" is an error, never "does not exist".
 */
import * as fs from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  canonicalAddress,
  parseAddress,
  partsOf,
  pathSegment,
  type SameAddress,
  textOfSegment,
} from '../core/address.ts';
import type { World } from '../core/world.ts';
import { KeyFileError } from './blocks.ts';
import { parseCertificates, uniteCertificates } from './certificates.ts';
import { FileCache, type ParsedFile } from './filecache.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import { WatchedDirectory } from './watched.ts';

type KeyFile = KeyEntry & ParsedFile;

// a look-up takes two of these calls; promisified callbacks cost half of what node:fs/promises does
const lstat = promisify(fs.lstat);
const stat = promisify(fs.stat);

const EXTENSIONS = ['.asc', '.pgp']; // of equal length: #addressOf cuts off as many characters
/** A certificate with 400 user IDs has 200 KiB; a larger one is full of other people's signatures. */
export const MAX_KEY_FILE_BYTES = 256 * 1024;
const TOO_LARGE = `is too large (over ${MAX_KEY_FILE_BYTES / 1024} KiB; try gpg --export-options export-minimal)`;
// a file or directory that changed this recently may change again without its time stamp showing it
const RACY_MS = 100;

export class KeyDirectory implements KeySource {
  readonly #directory: string;
  readonly #same: SameAddress;
  readonly #world: Pick<World, 'now'>;
  readonly #files = new FileCache<KeyFile>();
  readonly #watched: WatchedDirectory<KeyEntry>;
  readonly #reading = new Map<string, Promise<KeyFile>>();
  // canonical address -> names that spell it in another way than pathSegment does (`Alice@Example.org.asc`)
  #otherSpellings = new Map<string, string[]>();
  #indexIdentity = '';
  #fileCount = 0;

  constructor(directory: string, same: SameAddress, world: Pick<World, 'now'>) {
    this.#directory = directory;
    this.#same = same;
    this.#world = world;
    this.#watched = new WatchedDirectory(directory);
  }

  keysOf({ address }: KeyOwner): Promise<KeyEntry | undefined> {
    return this.lookup(address);
  }

  /**
   * Returns the entry of a canonical address, or undefined if it has no file. Throws on I/O errors other than
   * a missing file: "could not look" must never be taken for "does not exist".
   */
  lookup(address: string): Promise<KeyEntry | undefined> {
    return this.#watched.get(address, () => this.#lookup(address));
  }

  async #lookup(address: string): Promise<KeyEntry | undefined> {
    const usual = EXTENSIONS.map((extension) => pathSegment(address) + extension);
    const found = await this.#load(usual);
    if (found.length > 0) return merge(found);
    await this.#refreshIndex();
    // an empty directory is more likely one that is not mounted than a site where nobody exists
    if (this.#fileCount === 0) throw new Error(`${this.#directory} holds no key file`);
    const others = await this.#load(this.#otherSpellings.get(address) ?? []);
    return others.length > 0 ? merge(others) : undefined;
  }

  /** Returns every key file by name, with the address it stands for: undefined if the name is no address. */
  async list(): Promise<{ file: string; address: string | undefined; entry: KeyEntry }[]> {
    const names = (await readdir(this.#directory)).filter(isKeyFile).sort();
    const rows = [];
    for (const file of names) {
      const [entry] = await this.#load([file]).catch((error: NodeJS.ErrnoException) => [
        { certificates: [], problems: [`${file} cannot be read (${error.code})`] },
      ]);
      if (entry !== undefined) rows.push({ file, address: this.#addressOf(file), entry });
    }
    return rows;
  }

  async #load(names: readonly string[]): Promise<KeyFile[]> {
    const loaded = await Promise.all(names.map((name) => this.#file(name)));
    return loaded.filter((file) => file !== undefined);
  }

  async #file(name: string): Promise<KeyFile | undefined> {
    const path = join(this.#directory, name);
    const stats = await look(lstat, path);
    // a link whose target is missing now (not mounted?) does not mean that nobody of this name exists
    const target = stats?.isSymbolicLink() ? await look(stat, path) : stats;
    if (stats === undefined) this.#files.delete(name);
    if (target === undefined)
      return stats && { identity: '', bytes: 0, ...unusable(`${name} is a link to nothing`) };
    const cached = this.#files.get(name, identityOf(target));
    if (cached !== undefined) return cached;
    return this.#readOnce(name, path, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined; // removed since the look
      throw error;
    });
  }

  /** Lets look-ups at the same time share one reading: parsing a large file stops everything for 0.1 s. */
  #readOnce(name: string, path: string, seen: fs.BigIntStats): Promise<KeyFile> {
    const key = `${identityOf(seen)}:${name}`;
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = this.#read(name, path).finally(() => this.#reading.delete(key));
    if (this.#isSettled(seen)) this.#reading.set(key, reading);
    return reading;
  }

  async #read(name: string, path: string): Promise<KeyFile> {
    // O_NONBLOCK: a named pipe must not hold a thread of libuv's pool until somebody writes to it
    const handle = await open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      const stats = await handle.stat({ bigint: true });
      const file = { identity: identityOf(stats), bytes: Number(stats.size) };
      if (!stats.isFile()) return { ...file, ...unusable(`${name} is not a regular file`) };
      if (file.bytes > MAX_KEY_FILE_BYTES) return { ...file, ...unusable(`${name} ${TOO_LARGE}`) };
      const parsed = { ...file, ...(await parse(name, await handle.readFile())) };
      if (this.#isSettled(stats)) this.#files.set(name, parsed);
      return parsed;
    } finally {
      await handle.close();
    }
  }

  /** Reads the directory again if it has changed. Names in the usual spelling are found without it. */
  async #refreshIndex(): Promise<void> {
    const stats = await stat(this.#directory, { bigint: true });
    const identity = identityOf(stats);
    if (identity === this.#indexIdentity) return;
    const index = new Map<string, string[]>();
    const names = (await readdir(this.#directory)).filter(isKeyFile);
    for (const name of names) {
      const address = this.#addressOf(name);
      if (address === undefined) continue;
      if (isUsualName(name, address)) continue;
      index.set(address, [...(index.get(address) ?? []), name]);
    }
    this.#otherSpellings = index;
    this.#fileCount = names.length;
    this.#indexIdentity = this.#isSettled(stats) ? identity : '';
  }

  #isSettled({ ctimeMs }: fs.BigIntStats): boolean {
    return this.#world.now() - Number(ctimeMs) > RACY_MS;
  }

  #addressOf(file: string): string | undefined {
    const stem = file.slice(0, -'.asc'.length);
    const text = textOfSegment(stem);
    // a name that pathSegment made holds a local part without its quotes: `a%20b@example.com`
    const address = parseAddress(text) ?? (text === stem ? undefined : partsOf(text));
    return address && canonicalAddress(address, this.#same);
  }
}

async function parse(name: string, bytes: Buffer): Promise<KeyEntry> {
  try {
    return { certificates: await parseCertificates(bytes), problems: [] };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return unusable(`${name} ${error.message}`);
  }
}

function unusable(problem: string): KeyEntry {
  return { certificates: [], problems: [problem] };
}

async function merge(files: readonly KeyEntry[]): Promise<KeyEntry> {
  const certificates = await uniteCertificates(files.flatMap((file) => file.certificates));
  return { certificates, problems: files.flatMap((file) => file.problems) };
}

/**
 * Tells whether this is the usual spelling of a name for `address`. Such a file hides those in other
 * spellings.
 */
export function isUsualName(file: string, address: string): boolean {
  return EXTENSIONS.some((extension) => file === pathSegment(address) + extension);
}

/** Returns undefined if there is nothing of that name. Throws if it could not look. */
async function look(call: typeof stat, path: string): Promise<fs.BigIntStats | undefined> {
  return call(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENAMETOOLONG') return undefined;
    throw error;
  });
}

function isKeyFile(name: string): boolean {
  return !name.startsWith('.') && EXTENSIONS.some((extension) => name.endsWith(extension));
}

function identityOf(stats: fs.BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}
