/**
 * The key directory: one or more files `<address>.asc|.pgp` make an address a recipient.
 * Nothing is watched and nothing needs a restart: each look-up asks the file system whether
 * what was parsed before is still what is there, so a key that came, changed or went counts
 * from the next RCPT on.
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
import { KeyFileError } from './keyblocks.ts';
import { type Certificate, parseCertificates, uniteCertificates } from './keys.ts';

/** What the directory holds for one address. */
export interface KeyEntry {
  readonly certificates: readonly Certificate[];
  /** Sentences about files that cannot be used; any of them makes the whole entry unusable. */
  readonly problems: readonly string[];
}

interface CachedFile extends KeyEntry {
  readonly identity: string;
}

// a look-up is two of these; callbacks made promises cost half of node:fs/promises
const lstat = promisify(fs.lstat);
const stat = promisify(fs.stat);

const EXTENSIONS = ['.asc', '.pgp']; // of equal length, so that a stem is easily had
const MAX_KEY_FILE_BYTES = 4 * 1024 * 1024;
const MAX_CACHED_FILES = 10_000;
// a file or directory changed this recently may change again without its time stamp showing it
const RACY_MS = 100;

export class KeyDirectory {
  readonly #directory: string;
  readonly #same: SameAddress;
  readonly #world: Pick<World, 'now'>;
  readonly #files = new Map<string, CachedFile>();
  // canonical address -> names that spell it another way than we would (`Alice@Example.org.asc`)
  #otherSpellings = new Map<string, string[]>();
  #indexIdentity = '';
  #fileCount = 0;

  constructor(directory: string, same: SameAddress, world: Pick<World, 'now'>) {
    this.#directory = directory;
    this.#same = same;
    this.#world = world;
  }

  /**
   * The entry of a canonical address, or undefined when it has no file. Throws on I/O errors
   * other than a missing file: "could not look" must never be taken for "does not exist".
   */
  async lookup(address: string): Promise<KeyEntry | undefined> {
    const usual = EXTENSIONS.map((extension) => pathSegment(address) + extension);
    const found = await this.#load(usual);
    if (found.length > 0) return merge(found);
    await this.#refreshIndex();
    // an empty directory is more likely one that is not mounted than a site where nobody exists
    if (this.#fileCount === 0) throw new Error(`${this.#directory} holds no key file`);
    const others = await this.#load(this.#otherSpellings.get(address) ?? []);
    return others.length > 0 ? merge(others) : undefined;
  }

  /** Every key file by name with the address it stands for; undefined where the name is no address. */
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

  async #load(names: readonly string[]): Promise<CachedFile[]> {
    const loaded = await Promise.all(names.map((name) => this.#file(name)));
    return loaded.filter((file) => file !== undefined);
  }

  async #file(name: string): Promise<CachedFile | undefined> {
    const path = join(this.#directory, name);
    const stats = await look(lstat, path);
    // a link whose target is not there now (not mounted?) is no sign that nobody of this name exists
    const target = stats?.isSymbolicLink() ? await look(stat, path) : stats;
    if (stats === undefined) this.#files.delete(name);
    if (target === undefined)
      return stats && { identity: '', certificates: [], problems: [`${name} is a link to nothing`] };
    const cached = this.#files.get(name);
    if (cached !== undefined && cached.identity === identityOf(target)) return cached;
    return this.#read(name, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined; // gone since we looked
      throw error;
    });
  }

  async #read(name: string, path: string): Promise<CachedFile> {
    // O_NONBLOCK: a named pipe must not hold a thread of libuv's pool until somebody writes to it
    const handle = await open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      const stats = await handle.stat({ bigint: true });
      const identity = identityOf(stats);
      if (!stats.isFile()) return { identity, certificates: [], problems: [`${name} is not a regular file`] };
      if (stats.size > MAX_KEY_FILE_BYTES)
        return { identity, certificates: [], problems: [`${name} is too large`] };
      const file = { identity, ...(await parse(name, await handle.readFile())) };
      if (this.#isSettled(stats)) this.#remember(name, file);
      return file;
    } finally {
      await handle.close();
    }
  }

  #remember(name: string, file: CachedFile): void {
    this.#files.delete(name);
    this.#files.set(name, file);
    if (this.#files.size <= MAX_CACHED_FILES) return;
    const [oldest] = this.#files.keys();
    if (oldest !== undefined) this.#files.delete(oldest);
  }

  /** Reads the directory again if it changed; names in our own spelling are found without it. */
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
    // what pathSegment encoded is a local part without its quotes: `a%20b@example.com`
    const address = parseAddress(text) ?? (text === stem ? undefined : partsOf(text));
    return address && canonicalAddress(address, this.#same);
  }
}

async function parse(name: string, bytes: Buffer): Promise<KeyEntry> {
  try {
    return { certificates: await parseCertificates(bytes), problems: [] };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return { certificates: [], problems: [`${name} ${error.message}`] };
  }
}

async function merge(files: readonly KeyEntry[]): Promise<KeyEntry> {
  const certificates = await uniteCertificates(files.flatMap((file) => file.certificates));
  return { certificates, problems: files.flatMap((file) => file.problems) };
}

/** Whether we would name the file of `address` like this; such a file hides those in other spellings. */
export function isUsualName(file: string, address: string): boolean {
  return EXTENSIONS.some((extension) => file === pathSegment(address) + extension);
}

/** Undefined where there is nothing of that name; throws when it could not look. */
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
