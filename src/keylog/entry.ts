/**
 * One line of the key-change log: what it says, and how it is chained to the line before. A line is a JSON
 * object; its hash is the SHA-256 of its bytes, without the line end. Since it holds the hash of the line
 * before, one hash is about all lines up to it.
 */
import { createHash } from 'node:crypto';

export type KeyEvent = 'first-look' | 'came' | 'changed' | 'went';
const EVENTS: readonly unknown[] = ['first-look', 'came', 'changed', 'went'] satisfies KeyEvent[];

/** The keys of an address: sorted, so that equal ones are written alike. */
export interface Keys {
  /** Of the primary keys; upper-case hex. */
  readonly fingerprints: readonly string[];
  /** SHA-256 of each key file; lower-case hex. Copies with these names are kept (copies.ts). */
  readonly files: readonly string[];
}

export const NO_KEYS: Keys = { fingerprints: [], files: [] };

/** How a change was made. `directory`: nobody told us, it was found there. */
export interface By {
  readonly how: 'directory' | 'key add' | 'key remove';
  /** Who ran the command. */
  readonly uid?: number | undefined;
  readonly user?: string | undefined;
}

/** What happened, before it is in the log. */
export interface Change {
  /** Canonical; `@example.com` for the key of a domain. */
  readonly address: string;
  readonly event: KeyEvent;
  /** For a key that came: those that the address had last. */
  readonly before: Keys;
  readonly after: Keys;
  /**
   * The primary keys are the same, but the files say less than before: a subkey that could be used is
   * missing, or one that could not be used any more can be again.
   */
  readonly lost?: true | undefined;
  readonly by: By;
}

export interface Entry extends Change {
  /** 1, 2, 3, ... */
  readonly n: number;
  /** RFC 3339, in UTC. */
  readonly time: string;
  /** The hash of the line before; zeros in the first line. */
  readonly previous: string;
}

/** What the first line continues. */
export const NO_HASH = '0'.repeat(64);

/** Returns the line with its end. */
export function lineOf({ n, time, address, event, before, after, lost, by, previous }: Entry): string {
  const { how, uid, user } = by;
  return `${JSON.stringify({ n, time, address, event, before, after, lost, by: { how, uid, user }, previous })}\n`;
}

/** `line`: without its end. */
export function hashOf(line: string | Buffer): string {
  return createHash('sha256').update(line).digest('hex');
}

/** Returns undefined if it is no line of the log. */
export function entryOf(line: string): Entry | undefined {
  try {
    const value = JSON.parse(line) as Entry;
    const isEntry =
      Number.isSafeInteger(value.n) &&
      typeof value.address === 'string' &&
      !Number.isNaN(Date.parse(value.time)) &&
      EVENTS.includes(value.event) &&
      [value.before, value.after].every((keys) => areTexts(keys.fingerprints) && areTexts(keys.files)) &&
      typeof value.by.how === 'string' &&
      typeof value.previous === 'string';
    return isEntry ? value : undefined;
  } catch {
    return undefined;
  }
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** Tells whether the owner of the keys of before has to be told. */
export function needsNotice({ event, before, after, lost }: Change): boolean {
  if (event === 'first-look' || before.fingerprints.length === 0) return false;
  return event === 'went' || lost === true || !isSame(before.fingerprints, after.fingerprints);
}

export function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each, n) => each === others[n]);
}
