/**
 * What a session remembers of the messages of a mailbox: which are sealed, what was opened of them, and what
 * lists show. All of it is in memory, within a bound, and keyed by what never changes its meaning (RFC 3501
 * §2.3.1.1): the mailbox, its UIDVALIDITY and the UID.
 */

import { Semaphore } from '../core/semaphore.ts';
import type { MessageView } from '../view/view.ts';
import type { Counts } from './counts.ts';
import { HeldViews } from './heldviews.ts';
import { bytesOf, type Metadata } from './shown.ts';

/** `unopened`: it says that it is sealed, and does not open. */
export type Kind = 'plain' | 'sealed' | 'unopened';

/** Keeps what was used last, up to a number of bytes; the last one whatever it has. */
export class Recent<T> {
  readonly #most: number;
  readonly #bytesOf: (value: T) => number;
  readonly #values = new Map<string, T>();
  #bytes = 0;

  constructor(mostBytes: number, bytesOf: (value: T) => number) {
    this.#most = mostBytes;
    this.#bytesOf = bytesOf;
  }

  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    this.#drop(key);
    this.#values.set(key, value);
    this.#bytes += this.#bytesOf(value);
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#most || oldest === key) return;
      this.#drop(oldest);
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  #drop(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#bytes -= this.#bytesOf(value);
  }
}

/** What all sessions of a user share. */
export interface Caches {
  readonly opened: Recent<MessageView>;
  readonly metadata: Recent<Metadata>;
  /** Which program finds out what does not open: another version may open it. */
  readonly version: string;
  /** Large messages are opened one at a time. */
  readonly large: Semaphore;
  /** So are those that were collected, which may be large inside. */
  readonly collected: Semaphore;
  /** Those that are being written to clients. */
  readonly held: HeldViews;
  /** Bytes of messages that are being stored. */
  appending: number;
  /** Resolves when what was kept over logins is there, and never rejects. */
  ready?: Promise<unknown>;
  /** Is told of metadata that is new, for the next login. */
  remember?(key: string, metadata: Metadata): void;
  /** Resolves when that is kept, or after a moment. */
  settle?(): Promise<unknown>;
  readonly counts?: Counts;
}

export interface CacheLimits {
  readonly openedBytes: number;
  readonly metadataBytes: number;
  /** Of messages that are being written: where there are as many, no other one is opened. */
  readonly heldBytes: number;
}

const MIB = 1024 * 1024;
export const CACHE_LIMITS: CacheLimits = {
  openedBytes: 64 * MIB,
  metadataBytes: 64 * MIB,
  heldBytes: 100 * MIB,
};

export function newCaches(
  { openedBytes, metadataBytes, heldBytes }: CacheLimits = CACHE_LIMITS,
  counts?: Counts,
  version = '',
): Caches {
  return {
    ...(counts && { counts }),
    opened: new Recent(openedBytes, ({ bytes }) => bytes.buffer.byteLength),
    metadata: new Recent(metadataBytes, bytesOf),
    held: new HeldViews(heldBytes),
    version,
    appending: 0,
    large: new Semaphore(1, Number.POSITIVE_INFINITY),
    collected: new Semaphore(1, Number.POSITIVE_INFINITY),
  };
}

const NOTHING = Buffer.alloc(0);
const NO_METADATA: Metadata = {
  size: 0,
  envelope: NOTHING,
  bodyStructure: NOTHING,
  body: NOTHING,
  header: NOTHING,
};

/** Remembers that a message does not open: anybody can send such that take a second to find that out. */
export function noteUnopened(caches: Caches, key: string): void {
  const name = unopenedName(caches, key);
  caches.metadata.set(name, NO_METADATA);
  caches.remember?.(name, NO_METADATA);
}

export function isUnopened(caches: Caches, key: string): boolean {
  return caches.metadata.get(unopenedName(caches, key)) !== undefined;
}

/** The key of a message begins with a number. */
function unopenedName({ version }: Caches, key: string): string {
  return `unopened ${version}/${key}`;
}

/** Nobody reads more messages at a time. */
const MOST_READ = 16;

/** The mailbox that is selected. */
export class Mailbox {
  readonly #name: string;
  readonly #kinds = new Map<number, Kind>();
  /** UIDs of messages that are read, by their numbers. */
  readonly #read = new Map<number, number>();
  uidValidity = 0;

  constructor(name: string) {
    this.#name = name;
  }

  kindOf(uid: number): Kind | undefined {
    return this.#kinds.get(uid);
  }

  setKind(uid: number, kind: Kind): void {
    this.#kinds.set(uid, kind);
  }

  /** Remembers the number of a message that is read, part by part, until a number may change. */
  reads(number: number, uid: number): void {
    if (this.#read.size >= MOST_READ) this.#read.clear();
    this.#read.set(number, uid);
  }

  /** Returns the UID of a message that is read. */
  uidOf(number: number): number | undefined {
    return this.#read.get(number);
  }

  /** Returns the number of a message that is read. */
  numberOf(uid: number): number | undefined {
    for (const [number, each] of this.#read) if (each === uid) return number;
    return undefined;
  }

  /** The client is told of a message that has gone. */
  expunged(): void {
    this.#read.clear();
  }

  keyOf(uid: number): string {
    return `${this.uidValidity}/${uid}/${this.#name}`;
  }
}
