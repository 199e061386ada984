/**
 * What a session remembers of the messages of a mailbox: which are sealed, what was opened of them, and what
 * lists show. All of it is in memory, within a bound, and keyed by what never changes its meaning (RFC 3501
 * §2.3.1.1): the mailbox, its UIDVALIDITY and the UID.
 */

import type { MessageView } from '../view/view.ts';
import type { Counts } from './counts.ts';
import { LargeMessages } from './largemessages.ts';
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
  readonly large: LargeMessages;
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
}

export const CACHE_LIMITS: CacheLimits = { openedBytes: 64 * 1024 * 1024, metadataBytes: 64 * 1024 * 1024 };

export function newCaches(
  { openedBytes, metadataBytes }: CacheLimits = CACHE_LIMITS,
  counts?: Counts,
): Caches {
  return {
    ...(counts && { counts }),
    opened: new Recent(openedBytes, ({ size }) => size),
    metadata: new Recent(metadataBytes, bytesOf),
    large: new LargeMessages(),
  };
}

/** The mailbox that is selected. */
export class Mailbox {
  readonly #name: string;
  readonly #kinds = new Map<number, Kind>();
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

  keyOf(uid: number): string {
    return `${this.uidValidity}/${uid}/${this.#name}`;
  }
}
