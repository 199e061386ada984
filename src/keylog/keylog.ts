/**
 * The key-change log: append-only, chained, and the one place that says what is known of the keys of an
 * address. Everybody who logs holds the lock, and first reads what others have logged. A half line that a
 * crash has left is cut off; whole lines are never touched.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { World } from '../core/world.ts';
import {
  type Change,
  type Entry,
  entryOf,
  hashOf,
  type Keys,
  lineOf,
  NO_HASH,
  needsNotice,
} from './entry.ts';
import type { StateFiles } from './files.ts';
import { linesOf, type Verdict, verify } from './verify.ts';

export const LOG_FILE = 'key.log';
/** Others hold the lock for the time of one look at a few files. */
const PATIENCE_MS = 10_000;
const TRY_MS = 20;

export interface KeyLogParts {
  readonly files: StateFiles;
  /** Takes an exclusive flock(2) without waiting; false if another process has it. */
  readonly lock: (fd: number) => boolean;
  readonly world: Pick<World, 'now'>;
  /** Is told, in a sentence, of what should not be. */
  readonly trouble: (what: string) => void;
  /** Is told of each entry, with its hash, that anybody has logged since the log was first read. */
  readonly logged?: (entry: Entry, hash: string) => void;
}

/** What the log says of an address. */
export interface KnownKeys {
  /** None, if they went. */
  readonly now: Keys;
  /** The last that were there. */
  readonly last: Keys;
  /** Those before the last entry, and its time. Milliseconds since the epoch. */
  readonly replaced?: Keys;
  readonly since?: number;
}

export class KeyLog {
  readonly #parts: KeyLogParts;
  #known = new Map<string, KnownKeys>();
  #owed = new Map<number, Entry>();
  #readBytes = 0;
  #inode = 0;
  #entries = 0;
  #changes = 0;
  #head = NO_HASH;
  #isLocked = false;
  #isLoaded = false;

  constructor(parts: KeyLogParts) {
    this.#parts = parts;
  }

  /** By canonical address. */
  get known(): ReadonlyMap<string, KnownKeys> {
    return this.#known;
  }

  /** Entries whose owners have to be told, by number, unless they are settled. */
  get owed(): ReadonlyMap<number, Entry> {
    return this.#owed;
  }

  /** Forgets that the owner of an entry has to be told. */
  settle(n: number): void {
    this.#owed.delete(n);
  }

  /** The hash of the last line. */
  get head(): string {
    return this.#head;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Entries but those of a first look. */
  get changes(): number {
    return this.#changes;
  }

  /**
   * Does `work` while nobody else logs, and knows what others have logged. Throws if the lock is not to be
   * had.
   */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    const { files, lock } = this.#parts;
    if (this.#isLocked) throw new Error('the key log is locked already');
    const fd = files.openLock('lock');
    this.#isLocked = true;
    try {
      for (let waited = 0; !lock(fd); waited += TRY_MS) {
        if (waited >= PATIENCE_MS) throw isHeld(files.path('lock'));
        await pause(TRY_MS);
      }
      this.#catchUp();
      return await work();
    } finally {
      this.#isLocked = false;
      files.close(fd);
    }
  }

  /** Logs changes, in order. Only while it is locked. They are durable when it returns. */
  append(changes: readonly Change[]): void {
    if (!this.#isLocked) throw new Error('the key log is not locked');
    if (changes.length === 0) return;
    const { files } = this.#parts;
    const lines = this.#linesOf(changes, new Date(this.#parts.world.now()).toISOString());
    if (this.#inode === 0) files.replace(LOG_FILE, lines);
    else files.append(LOG_FILE, lines);
    this.#catchUp();
  }

  *#linesOf(changes: readonly Change[], time: string): Generator<string> {
    let previous = this.#head;
    let n = this.#entries;
    for (const change of changes) {
      const line = lineOf({ ...change, n: ++n, time, previous });
      previous = hashOf(line.slice(0, -1));
      yield line;
    }
  }

  /** Reads the whole log again, and says whether it still is what was logged. */
  verify(): Verdict {
    const bytes = this.#parts.files.read(LOG_FILE) ?? Buffer.alloc(0);
    const verdict = verify(bytes, this.#head);
    if (verdict.problem !== undefined || this.#entries === 0 || verdict.askedFor !== undefined)
      return verdict;
    const what = `has no entry with the hash ${this.#head}, which was the last one: it was cut or written anew`;
    return { ...verdict, problem: { line: verdict.entries, what } };
  }

  #catchUp(): void {
    const { files, trouble } = this.#parts;
    const opened = files.open(LOG_FILE);
    const { bytes = 0, inode = 0 } = opened ?? {};
    if (opened !== undefined) files.close(opened.fd);
    if (this.#inode !== 0 && (inode !== this.#inode || bytes < this.#readBytes)) {
      trouble(
        `${files.path(LOG_FILE)} was cut, removed or replaced: it had ${this.#entries} entries up to the hash ${this.#head}`,
      );
      this.#forget();
    }
    this.#inode = inode;
    this.#readFrom(bytes);
    this.#isLoaded = true;
  }

  #readFrom(bytes: number): void {
    const { files, trouble } = this.#parts;
    if (bytes === this.#readBytes) return;
    const fresh = files.read(LOG_FILE, this.#readBytes) ?? Buffer.alloc(0);
    for (const line of linesOf(fresh)) {
      this.#take(line);
      this.#readBytes += line.length + 1;
    }
    if (this.#readBytes === bytes) return;
    files.cut(LOG_FILE, this.#readBytes);
    trouble(
      `${files.path(LOG_FILE)} ended in the middle of a line, as after a crash: that half line was cut off`,
    );
  }

  #take(line: Buffer): void {
    this.#head = hashOf(line);
    this.#entries++;
    const entry = entryOf(line.toString('utf8'));
    if (entry === undefined) return; // verify() tells
    const { address, event, after } = entry;
    if (event !== 'first-look') this.#changes++;
    const last = after.fingerprints.length > 0 ? after : (this.#known.get(address)?.last ?? entry.before);
    const since = Date.parse(entry.time);
    this.#known.set(address, { now: after, last, replaced: entry.before, since });
    if (needsNotice(entry)) this.#owed.set(entry.n, entry);
    if (this.#isLoaded) this.#parts.logged?.(entry, this.#head);
  }

  #forget(): void {
    this.#known = new Map();
    this.#owed = new Map();
    this.#readBytes = 0;
    this.#entries = 0;
    this.#changes = 0;
    this.#head = NO_HASH;
  }
}

function isHeld(path: string): Error {
  return Object.assign(new Error(`${path} is held by another process`), { code: 'EAGAIN' });
}
