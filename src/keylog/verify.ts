/** Follows the chain of the log from its first line to its last, and says where it is broken. */
import { type Entry, entryOf, hashOf, NO_HASH } from './entry.ts';

export interface Verdict {
  readonly entries: number;
  /** The hash of the last whole line. */
  readonly head: string;
  /** The first thing that is wrong; undefined if nothing is. */
  readonly problem: { readonly line: number; readonly what: string } | undefined;
  /** Which entry the hash that was asked for is of; undefined if of none. */
  readonly askedFor: number | undefined;
}

/** `asked`: a hash of a notice, of the log of the server, or of wherever else it was kept. */
export function verify(bytes: Buffer, asked?: string): Verdict {
  let head = NO_HASH;
  let n = 0;
  let problem: Verdict['problem'];
  let askedFor: number | undefined;
  for (const line of linesOf(bytes)) {
    n++;
    problem ??= problemWith(line, n, head);
    head = hashOf(line);
    if (problem === undefined && head === asked?.toLowerCase()) askedFor = n;
  }
  const rest = bytes.length - (bytes.lastIndexOf(0x0a) + 1);
  if (rest > 0) problem ??= { line: n + 1, what: 'is cut off in the middle' };
  return { entries: n, head, problem, askedFor };
}

function problemWith(line: Buffer, n: number, head: string): Verdict['problem'] {
  const entry = entryOf(line.toString('utf8'));
  if (entry === undefined) return { line: n, what: 'is no entry' };
  if (entry.previous !== head) {
    const what = n === 1 ? 'has lines missing before it' : `does not continue line ${n - 1}`;
    return { line: n, what: `${what}: a line was edited, moved or removed there` };
  }
  return entry.n === n ? undefined : { line: n, what: `is numbered ${entry.n}` };
}

/** Yields the whole lines, without their ends. */
export function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; ; ) {
    const end = bytes.indexOf(0x0a, at);
    if (end === -1) return;
    yield bytes.subarray(at, end);
    at = end + 1;
  }
}

/** Yields the entries among the lines. */
export function* entriesOf(bytes: Buffer): Generator<Entry> {
  for (const line of linesOf(bytes)) {
    const entry = entryOf(line.toString('utf8'));
    if (entry !== undefined) yield entry;
  }
}
