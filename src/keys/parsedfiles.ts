/**
 * The files of the key directory, each parsed once for each change of it. Every look asks the file system
 * whether the file is still the one that was parsed. A file that cannot be used is a problem; one that could
 * not be looked at is an error.
 */
import * as fs from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { World } from '../core/world.ts';
import { KeyFileError } from './blocks.ts';
import type { FileCalls } from './calls.ts';
import { parseCertificates, uniteCertificates } from './certificates.ts';
import { FileCache, type ParsedFile } from './filecache.ts';
import { identityOf, isSettled } from './identity.ts';
import type { KeyEntry } from './source.ts';
import { WORDS } from './words.ts';

export type KeyFile = KeyEntry & ParsedFile;

// a look-up takes two of these calls; promisified callbacks cost half of what node:fs/promises does
const lstat = promisify(fs.lstat);
const stat = promisify(fs.stat);

/** A certificate with 400 user IDs has 200 KiB; a larger one is full of other people's signatures. */
export const MAX_KEY_FILE_BYTES = 256 * 1024;

export class ParsedFiles {
  readonly #directory: string;
  readonly #world: Pick<World, 'now'>;
  readonly #calls: FileCalls;
  readonly #files = new FileCache<KeyFile>();
  readonly #reading = new Map<string, Promise<KeyFile>>();

  constructor(directory: string, world: Pick<World, 'now'>, calls: FileCalls) {
    this.#directory = directory;
    this.#world = world;
    this.#calls = calls;
  }

  /** Returns those of the files that are there. */
  async load(names: readonly string[]): Promise<KeyFile[]> {
    const loaded = await Promise.all(names.map((name) => this.#load(name)));
    return loaded.filter((file) => file !== undefined);
  }

  async #load(name: string): Promise<KeyFile | undefined> {
    const path = join(this.#directory, name);
    const { stats, target } = await this.#calls.make(() => lookAt(path));
    if (stats === undefined) this.#files.delete(name);
    if (target === undefined)
      return stats && { identity: '', bytes: 0, ...unusable(name, WORDS.linkToNothing) };
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
    if (isSettled(seen, this.#world)) this.#reading.set(key, reading);
    return reading;
  }

  async #read(name: string, path: string): Promise<KeyFile> {
    const { stats, content } = await this.#calls.make(() => readKeyFile(path));
    const file = { identity: identityOf(stats), bytes: Number(stats.size) };
    if (typeof content === 'string') return { ...file, ...unusable(name, content) };
    const parsed = { ...file, ...(await parseKeyFile(name, content)) };
    if (isSettled(stats, this.#world)) this.#files.set(name, parsed);
    return parsed;
  }
}

async function lookAt(
  path: string,
): Promise<{ stats: fs.BigIntStats | undefined; target: fs.BigIntStats | undefined }> {
  const stats = await look(lstat, path);
  // a link whose target is missing now (not mounted?) does not mean that nobody of this name exists
  return { stats, target: stats?.isSymbolicLink() ? await look(stat, path) : stats };
}

/** Returns undefined if there is nothing of that name. Throws if it could not look. */
async function look(call: typeof stat, path: string): Promise<fs.BigIntStats | undefined> {
  return call(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
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
export async function merge(files: readonly KeyFile[]): Promise<KeyEntry> {
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
