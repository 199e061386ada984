/** What is remembered of a key file, so that one that has not changed is neither read nor judged again. */
import { linesOf } from '../keylog/verify.ts';
import type { KeyState } from '../keys/state.ts';

/** A certificate as it was judged. */
export interface SeenKey {
  readonly fingerprint: string;
  /** `valid` also if it is about to expire: that follows from the time. */
  readonly state: Exclude<KeyState, 'expiring'>;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined;
  /** By the clock as it was then: it may have run ahead. */
  readonly judgedAt: number;
  /** When something about it may change next. */
  readonly judgeAgainAt: number;
}

export interface SeenFile {
  readonly name: string;
  readonly address: string;
  /** Changes whenever the file does; empty while it may change without that. */
  readonly identity: string;
  /** SHA-256; empty if it could not be read. */
  readonly digest: string;
  /** None if it holds no key that can be read. */
  readonly fingerprints: readonly string[];
  /** Undefined until they are judged. */
  readonly keys: readonly SeenKey[] | undefined;
  /** The rules that they were judged by. */
  readonly rules?: string | undefined;
}

/** Tells whether the keys in a file are known: it may be half written, or out of reach, only for now. */
export function isKnown({ fingerprints }: SeenFile): boolean {
  return fingerprints.length > 0;
}

export function* seenLines(files: Iterable<SeenFile>): Generator<string> {
  for (const file of files) yield `${JSON.stringify(file)}\n`;
}

/** Yields what `seenLines` made; leaves out all else. */
export function* seenIn(bytes: Buffer): Generator<SeenFile> {
  for (const line of linesOf(bytes)) {
    const file = seenOf(line.toString('utf8'));
    if (file !== undefined) yield file;
  }
}

function seenOf(line: string): SeenFile | undefined {
  try {
    const file = JSON.parse(line) as SeenFile;
    const isOne = [file.name, file.address, file.identity, file.digest].every(
      (each) => typeof each === 'string',
    );
    return isOne && Array.isArray(file.fingerprints) ? file : undefined;
  } catch {
    return undefined;
  }
}
