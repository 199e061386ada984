/**
 * The files of the key directory, each parsed once for each change of it. Every look asks the file system
 * whether the file is still the one that was parsed. A file that cannot be used is a problem; one that could
 * not be looked at is an error.
 */
import * as fs from 'node:fs';
import { open, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { MAX_LINKS } from '../core/links.ts';
import type { World } from '../core/world.ts';
import { KeyFileError } from './blocks.ts';
import type { FileCalls, LinkedCalls } from './calls.ts';
import { parseCertificates, uniteCertificates } from './certificates.ts';
import { FileCache, type ParsedFile } from './filecache.ts';
import { identityOf, isSettled } from './identity.ts';
import type { KeyEntry } from './source.ts';
import { WORDS } from './words.ts';

export type KeyFile = KeyEntry & ParsedFile;

// a look-up takes such a call; promisified callbacks cost half of what node:fs/promises does
const lstat = promisify(fs.lstat);

/** A certificate with 400 user IDs has 200 KiB; a larger one is full of other people's signatures. */
export const MAX_KEY_FILE_BYTES = 256 * 1024;

/** A file that is no link, by a path to it. */
interface Target {
  readonly path: string;
  readonly stats: fs.BigIntStats;
}

/** Is told of a file that was read and holds keys, before they are used; not if it is as it was before. */
export type OnParsed = (file: string, bytes: Buffer) => void;

export class ParsedFiles {
  readonly #directory: string;
  readonly #world: Pick<World, 'now'>;
  readonly #calls: FileCalls;
  readonly #linked: LinkedCalls;
  readonly #onParsed: OnParsed;
  readonly #files = new FileCache<KeyFile>();
  readonly #reading = new Map<string, Promise<KeyFile>>();

  constructor(
    directory: string,
    world: Pick<World, 'now'>,
    calls: FileCalls,
    linked: LinkedCalls,
    onParsed: OnParsed = () => {},
  ) {
    this.#directory = directory;
    this.#world = world;
    this.#calls = calls;
    this.#linked = linked;
    this.#onParsed = onParsed;
  }

  /** Returns those of the files that are there. */
  async load(names: readonly string[]): Promise<KeyFile[]> {
    const loaded = await Promise.all(names.map((name) => this.#load(name)));
    return loaded.filter((file) => file !== undefined);
  }

  /** Drops what is remembered of a file, for whoever reads each of very many once. */
  forget(name: string): void {
    this.#files.delete(name);
  }

  async #load(name: string): Promise<KeyFile | undefined> {
    const path = join(this.#directory, name);
    const stats = await this.#calls.make(() => look(path));
    if (stats === undefined) {
      this.#files.delete(name);
      return undefined;
    }
    const target = stats.isSymbolicLink() ? await this.#follow(path) : { path, stats };
    // a link whose target is missing now (not mounted?) does not mean that nobody of this name exists
    if (target === undefined) return { identity: '', bytes: 0, ...unusable(name, WORDS.linkToNothing) };
    const cached = this.#files.get(name, identityOf(target.stats));
    if (cached !== undefined) return cached;
    return this.#readOnce(name, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined; // removed since the look
      throw error;
    });
  }

  /**
   * Follows a link, one at a time: each call is under the share of the directory that it is about. Returns
   * undefined if it leads to nothing. Throws if it leads in a circle.
   */
  async #follow(link: string): Promise<Target | undefined> {
    let path = link;
    for (let n = 0; n < MAX_LINKS; n++) {
      const from = path;
      const to = await this.#linked.make(dirname(from), () => readlink(from));
      path = to.startsWith('/') ? to : `${dirname(from)}/${to}`; // not join(): a part may be a link
      const stats = await this.#linked.make(dirname(path), () => look(path));
      if (!stats?.isSymbolicLink()) return stats && { path, stats };
    }
    throw Object.assign(new Error(`${link} leads in a circle`), { code: 'ELOOP' });
  }

  /** Lets look-ups at the same time share one reading: parsing a large file stops everything for 0.1 s. */
  #readOnce(name: string, target: Target): Promise<KeyFile> {
    const { stats: seen } = target;
    const key = `${identityOf(seen)}:${name}`;
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const reading = this.#read(name, target).finally(() => this.#reading.delete(key));
    if (isSettled(seen, this.#world)) this.#reading.set(key, reading);
    return reading;
  }

  async #read(name: string, { path }: Target): Promise<KeyFile> {
    const directory = dirname(path);
    const read = () => readKeyFile(path);
    const reading =
      directory === this.#directory ? this.#calls.make(read) : this.#linked.make(directory, read);
    const { stats, content } = await reading;
    const file = { identity: identityOf(stats), bytes: Number(stats.size) };
    if (typeof content === 'string') return { ...file, ...unusable(name, content) };
    const parsed = { ...file, ...(await parseKeyFile(name, content)) };
    if (parsed.certificates.length > 0) this.#onParsed(name, content);
    if (isSettled(stats, this.#world)) this.#files.set(name, parsed);
    return parsed;
  }
}

/** Returns undefined if there is nothing of that name. Throws if it could not look. */
async function look(path: string): Promise<fs.BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENAMETOOLONG') return undefined;
    throw error;
  });
}

/** Returns the bytes of a file, or a sentence about why it is no key file. */
export async function readKeyFile(
  path: string | Buffer,
): Promise<{ stats: fs.BigIntStats; content: Buffer | string }> {
  // O_NONBLOCK: a named pipe must not hold a thread of libuv's pool until somebody writes to it
  const handle = await open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) return { stats, content: WORDS.notAFile };
    if (stats.size > MAX_KEY_FILE_BYTES) return { stats, content: WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024) };
    return { stats, content: await handle.readFile() };
  } finally {
    await handle.close();
  }
}

/** Returns the keys in the bytes of a file, or the problem with them, which begins with its name. */
export async function parseKeyFile(name: string, bytes: Buffer): Promise<KeyEntry> {
  try {
    return { certificates: await parseCertificates(bytes), problems: [] };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return unusable(name, error.message);
  }
}

function unusable(name: string, problem: string): KeyEntry {
  return { certificates: [], problems: [`${name} ${problem}`] };
}

/** Returns the keys of several files as those of one recipient. */
export async function merge(files: readonly KeyEntry[]): Promise<KeyEntry> {
  const problems = files.flatMap((file) => file.problems);
  try {
    return { certificates: await uniteCertificates(files.flatMap((file) => file.certificates)), problems };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    return {
      certificates: [],
      problems: [...problems, `the files of one recipient together: ${error.message}`],
    };
  }
}
