/**
 * Looks at the key directory: at all of it, or at some names. A file that is as it was is not read again, and
 * a directory without any key file is one that is not mounted. The calls are synchronous, in pieces: nobody
 * waits for this process.
 */
import { type BigIntStats, lstatSync, opendirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { SameAddress } from '../core/address.ts';
import type { World } from '../core/world.ts';
import { digestOf } from '../keylog/copies.ts';
import { identityOf, isSettled } from '../keys/identity.ts';
import { addressOf, isKeyFile, isUsualName } from '../keys/names.ts';
import { parseKeyFile, readKeyFile } from '../keys/parsedfiles.ts';
import { isKnown, type SeenFile } from './seen.ts';

/** Files that are looked at in one piece. */
const PIECE = 250;

export interface LookParts {
  readonly directory: string;
  readonly same: SameAddress;
  readonly world: Pick<World, 'now'>;
  /** Is given each file that was read and holds keys, before its look is over. */
  keep(bytes: Buffer): void;
}

export class Looker {
  readonly #parts: LookParts;
  readonly #seen = new Map<string, SeenFile>(); // by name
  readonly #names = new Map<string, Set<string>>(); // by address
  /** Files with other names, or written a moment ago: inotify may tell nothing of what becomes of them. */
  readonly #unsettled = new Set<string>();
  /** What cannot be read; what was looked at longest ago comes first. */
  readonly #unreadable = new Set<string>();

  #isStopped = false;
  #version = 0;

  constructor(parts: LookParts, remembered: Iterable<SeenFile> = []) {
    this.#parts = parts;
    for (const file of remembered) this.#note(file);
  }

  /** Another one whenever something that was seen is not as it was. */
  get version(): number {
    return this.#version;
  }

  get files(): Iterable<SeenFile> {
    return this.#seen.values();
  }

  get unsettled(): readonly string[] {
    return [...this.#unsettled];
  }

  /** Those of the unreadable files that were looked at longest ago. There may be any number of them. */
  unreadable(most: number): readonly string[] {
    const names: string[] = [];
    for (const name of this.#unreadable) {
      if (names.length === most) break;
      names.push(name);
    }
    return names;
  }

  get addresses(): Iterable<string> {
    return this.#names.keys();
  }

  /** Yields the files that count for a recipient. */
  *effective(): Generator<SeenFile> {
    for (const address of this.#names.keys()) yield* this.of(address);
  }

  /** Ends a look that is under way. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Tells whether the directory is there, with a key file in it. */
  isThere(): boolean {
    const names = namesIn(this.#parts.directory, 1);
    return typeof names !== 'string' && names.length > 0;
  }

  /**
   * Looks at the whole directory. Returns why that says nothing about any key, as a sentence; undefined if it
   * does. `again`: reads all files, also those that seem to be as they were.
   */
  async all({ again = false } = {}): Promise<string | undefined> {
    const names = namesIn(this.#parts.directory);
    if (typeof names === 'string') return names;
    if (names.length === 0) return `${this.#parts.directory} holds no key file`;
    const gone = new Set(this.#seen.keys());
    for (let at = 0; at < names.length && !this.#isStopped; at += PIECE) {
      for (const name of names.slice(at, at + PIECE)) {
        gone.delete(name);
        await this.#look(name, again);
      }
      await turn();
    }
    for (const name of this.#isStopped ? [] : gone) await this.#look(name, false);
    return undefined;
  }

  /** Looks at some files. Returns the addresses they are about. */
  async some(names: Iterable<string>): Promise<Set<string>> {
    const addresses = new Set<string>();
    for (const name of names) {
      const address = this.#addressOf(name);
      if (address === undefined) continue;
      addresses.add(address);
      await this.#look(name, false);
    }
    return addresses;
  }

  /** Looks at all files of some addresses: one may have got another name that nobody has told of yet. */
  async allOf(addresses: ReadonlySet<string>): Promise<void> {
    const names = namesIn(this.#parts.directory);
    if (typeof names === 'string') return;
    for (const name of names) if (addresses.has(this.#addressOf(name) ?? '')) await this.#look(name, false);
  }

  /**
   * Returns the files that count for an address, as a look-up would find them: those with a usual name, or
   * else all.
   */
  of(address: string): SeenFile[] {
    const files = this.filesOf(address);
    if (files.length <= 1) return files;
    const usual = files.filter(({ name }) => isUsualName(name, address));
    return usual.length > 0 ? usual : files;
  }

  /** Returns all files with names for an address. */
  filesOf(address: string): SeenFile[] {
    return [...(this.#names.get(address) ?? [])].flatMap((name) => this.#seen.get(name) ?? []);
  }

  /** Has a file read at the next look, also if it seems to be as it was. */
  doubt(name: string): void {
    const file = this.#seen.get(name);
    if (file !== undefined) this.#seen.set(name, { ...file, identity: '' });
  }

  /** Replaces what is remembered of a file. */
  judged(file: SeenFile): void {
    this.#version++;
    this.#seen.set(file.name, file);
  }

  #addressOf(name: string): string | undefined {
    const known = this.#seen.get(name)?.address;
    return known ?? (isKeyFile(name) ? addressOf(name, this.#parts.same) : undefined);
  }

  async #look(name: string, again: boolean): Promise<void> {
    const address = this.#addressOf(name);
    if (address === undefined) return;
    const path = join(this.#parts.directory, name);
    const former = this.#seen.get(name);
    const stats = statsOf(path);
    if (stats === 'gone') return this.#forget(name);
    if (stats !== 'unreadable' && !again && former?.identity === identityOf(stats)) return;
    const read = stats === 'unreadable' ? undefined : await readKeyFile(path).catch(() => undefined);
    const bytes = Buffer.isBuffer(read?.content) ? read.content : undefined;
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    const isStill = read !== undefined && isSettled(read.stats, this.#parts.world);
    this.#unsettled.delete(name);
    this.#unreadable.delete(name);
    if (bytes === undefined) this.#unreadable.add(name);
    else if (!isStill || isLink || read?.stats.nlink !== 1n) this.#unsettled.add(name);
    const identity = isStill && read !== undefined ? identityOf(read.stats) : '';
    const digest = bytes === undefined ? '' : digestOf(bytes);
    if (former !== undefined && bytes !== undefined && former.digest === digest) {
      if (isKnown(former)) this.#parts.keep(bytes);
      return this.#note({ ...former, identity });
    }
    const { certificates } = bytes === undefined ? { certificates: [] } : await parseKeyFile(name, bytes);
    const fingerprints = certificates.map((each) => each.fingerprint);
    if (bytes !== undefined && fingerprints.length > 0) this.#parts.keep(bytes);
    this.#note({ name, address, identity, digest, fingerprints, keys: undefined });
  }

  #note(file: SeenFile): void {
    this.#version++;
    this.#seen.set(file.name, file);
    const names = this.#names.get(file.address) ?? new Set();
    this.#names.set(file.address, names.add(file.name));
  }

  #forget(name: string): void {
    const file = this.#seen.get(name);
    if (this.#seen.delete(name)) this.#version++;
    this.#unsettled.delete(name);
    this.#unreadable.delete(name);
    const names = file && this.#names.get(file.address);
    names?.delete(name);
    if (file !== undefined && names?.size === 0) this.#names.delete(file.address);
  }
}

/** Returns the names of key files, `most` at most, or a sentence about why they cannot be had. */
function namesIn(path: string, most = Number.POSITIVE_INFINITY): string[] | string {
  try {
    const directory = opendirSync(path, { bufferSize: 1000 });
    const names: string[] = [];
    try {
      while (names.length < most) {
        const entry = directory.readSync();
        if (entry === null) break;
        if (isKeyFile(entry.name)) names.push(entry.name);
      }
    } finally {
      directory.closeSync();
    }
    return names;
  } catch (error) {
    return `${path} cannot be listed (${(error as NodeJS.ErrnoException).code})`;
  }
}

/** A link to nothing is not gone: what it leads to may not be mounted. */
function statsOf(path: string): BigIntStats | 'gone' | 'unreadable' {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats !== undefined) return stats;
    return lstatSync(path, { throwIfNoEntry: false }) === undefined ? 'gone' : 'unreadable';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENAMETOOLONG' ? 'gone' : 'unreadable';
  }
}

/** Tells whether all of these say what keys they hold. */
export function areKnown(files: readonly SeenFile[]): boolean {
  return files.every(isKnown);
}
