/**
 * Which files of the key directory stand for which address, for names in another spelling than pathSegment's.
 * Names in the usual one are found without it. The directory is read again when it has changed, once for all
 * that ask, and a large one at most once a second and never in one piece, since RCPTs for unknown users are
 * what asks.
 */
import * as fs from 'node:fs';
import { opendir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import type { SameAddress } from '../core/address.ts';
import type { World } from '../core/world.ts';
import type { FileCalls } from './calls.ts';
import { identityOf, isSettled } from './identity.ts';
import { addressOf, isKeyFile, isUsualName } from './names.ts';

const stat = promisify(fs.stat);

export interface Index {
  /** Canonical address -> files. */
  readonly others: ReadonlyMap<string, readonly string[]>;
  readonly fileCount: number;
}

// a directory with more names is read at most once in this time
const LARGE = 1000;
const PACE_MS = 1000;
/** Names that are read, and then looked at, in one piece. */
const PIECE = 1000;

interface Reading {
  readonly index: Index;
  /** Of the directory, as it was when the reading began; empty if it was still changing. */
  readonly identity: string;
  readonly begunAt: number;
}

export class NameIndex {
  readonly #directory: string;
  readonly #same: SameAddress;
  readonly #world: Pick<World, 'now'>;
  readonly #calls: FileCalls;
  // names -> the address that each spells in another way than usual; empty for all others
  #addresses = new Map<string, string>();
  #last: Reading | undefined;
  #reading: Promise<Reading> | undefined;

  constructor(directory: string, same: SameAddress, world: Pick<World, 'now'>, calls: FileCalls) {
    this.#directory = directory;
    this.#same = same;
    this.#world = world;
    this.#calls = calls;
  }

  /**
   * Returns the index of the directory as it is, or for a large one as it was a second or one reading ago.
   */
  async current(): Promise<Index> {
    const stats = await this.#calls.make(() => stat(this.#directory, { bigint: true }));
    for (;;) {
      const last = this.#last;
      if (last !== undefined && (identityOf(stats) === last.identity || isFresh(last))) return last.index;
      const wasUnderWay = this.#reading !== undefined;
      this.#reading ??= this.#read(stats).finally(() => {
        this.#reading = undefined;
      });
      this.#last = await this.#reading;
      // one that began before this look may have missed a name that came in between; of a large directory it
      // will do
      if (!wasUnderWay || isLarge(this.#last)) return this.#last.index;
    }
  }

  async #read(stats: fs.BigIntStats): Promise<Reading> {
    const begunAt = performance.now();
    const identity = isSettled(stats, this.#world) ? identityOf(stats) : '';
    const others = new Map<string, string[]>();
    let fileCount = 0;
    const directory = await this.#calls.make(() => opendir(this.#directory, { bufferSize: PIECE }));
    try {
      for (;;) {
        const names = await this.#calls.make(() => piece(directory));
        if (names.length === 0) break;
        for (const name of names) {
          if (!isKeyFile(name)) continue;
          fileCount++;
          const address = this.#otherSpelling(name);
          if (address !== '') others.set(address, [...(others.get(address) ?? []), name]);
        }
      }
    } finally {
      await directory.close();
    }
    // names that are gone are forgotten when they are the most
    if (this.#addresses.size > 2 * fileCount + LARGE) this.#addresses = new Map();
    return { index: { others, fileCount }, identity, begunAt };
  }

  /**
   * A name that was there before costs a look-up in a map; a new one some microseconds of Unicode and IDNA.
   */
  #otherSpelling(name: string): string {
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    const address = addressOf(name, this.#same);
    const other = address === undefined || isUsualName(name, address) ? '' : address;
    this.#addresses.set(name, other);
    return other;
  }
}

function isFresh(reading: Reading): boolean {
  return isLarge(reading) && performance.now() - reading.begunAt < PACE_MS;
}

function isLarge({ index }: Reading): boolean {
  return index.fileCount > LARGE;
}

/** Returns some names, none at the end. The event loop gets its turn before they come. */
async function piece(directory: fs.Dir): Promise<string[]> {
  const names: string[] = [];
  while (names.length < PIECE) {
    const entry = await directory.read();
    if (entry === null) break;
    names.push(entry.name);
  }
  return names;
}
