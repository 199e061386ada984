/**
 * Which notices were sent, one JSON object a line. A notice is in the mailbox before it is here, so after a
 * crash in between it is sent a second time.
 */
import type { StateFiles } from './files.ts';
import { linesOf } from './verify.ts';

const FILE = 'notices';
/** A larger file is written anew when it is read, without what nobody will ask for. */
const LARGE_BYTES = 1024 * 1024;
/** Of a key that ended longer ago nobody is told. */
const FORGET_MS = 24 * 60 * 60 * 1000;

/** How the notice of a change ended: stored, or why nobody can be told. */
export type Outcome = 'stored' | 'no usable key' | 'no mailbox';

type Line =
  | { readonly kind: 'change'; readonly n: number; readonly outcome: Outcome; readonly hash: string }
  | ({ readonly kind: 'expiry' } & Expiry);

/** A notice that a key ends. */
export interface Expiry {
  readonly address: string;
  readonly fingerprint: string;
  /** RFC 3339. */
  readonly ends: string;
  /** The threshold that was passed. */
  readonly days: number;
  /** When it was sent, in milliseconds since the epoch, by a clock that may have run ahead. */
  readonly at?: number;
}

export class SentNotices {
  readonly #files: StateFiles;
  readonly #changes = new Map<string, Line>(); // by number and hash of the entry
  readonly #expiries = new Map<string, Expiry>(); // by address, key and end

  constructor(files: StateFiles, now: number) {
    this.#files = files;
    const bytes = files.read(FILE);
    for (const line of bytes === undefined ? [] : linesOf(bytes)) this.#take(line.toString('utf8'));
    // also makes the file, and ends a half line that a crash has left
    if (bytes === undefined || bytes.length > LARGE_BYTES || (bytes.length > 0 && bytes.at(-1) !== 0x0a))
      this.#rewrite(now);
  }

  /** `previous`: of the entry, since another log may have had another one with this number. */
  hasChange({ n, previous }: { readonly n: number; readonly previous: string }): boolean {
    return this.#changes.has(`${n} ${previous}`);
  }

  /** Returns the smallest threshold that the owner was told, by now, for this end of the key. */
  daysTold(expiry: Omit<Expiry, 'days'>, now: number): number {
    const { days, at = now } = this.#expiries.get(keyOf(expiry)) ?? { days: Number.POSITIVE_INFINITY };
    return at <= now ? days : Number.POSITIVE_INFINITY;
  }

  addChange({ n, previous }: { readonly n: number; readonly previous: string }, outcome: Outcome): void {
    this.#add({ kind: 'change', n, outcome, hash: previous });
  }

  addExpiry({ address, fingerprint, ends, days }: Omit<Expiry, 'at'>, at: number): void {
    this.#add({ kind: 'expiry', address, fingerprint, ends, days, at });
  }

  #add(line: Line): void {
    const text = JSON.stringify(line);
    this.#files.append(FILE, [`${text}\n`]);
    this.#take(text);
  }

  #take(text: string): void {
    try {
      const line = JSON.parse(text) as Line;
      if (line.kind === 'change') this.#changes.set(`${line.n} ${line.hash}`, line);
      else this.#expiries.set(keyOf(line), line);
    } catch {
      // what cannot be read was not sent
    }
  }

  #rewrite(now: number): void {
    for (const [key, { ends }] of this.#expiries)
      if (Date.parse(ends) < now - FORGET_MS) this.#expiries.delete(key);
    const expiries = [...this.#expiries.values()].map((each) => ({ ...each, kind: 'expiry' as const }));
    const lines = [...this.#changes.values(), ...expiries].map((each) => `${JSON.stringify(each)}\n`);
    this.#files.replace(FILE, lines);
  }
}

function keyOf({ address, fingerprint, ends }: Omit<Expiry, 'days'>): string {
  return `${fingerprint} ${ends} ${address}`;
}
