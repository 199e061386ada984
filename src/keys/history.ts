/**
 * What the owner of a key says of one thing over all times: of the key itself, of a user ID or of a subkey.
 * Times are in milliseconds since the epoch.
 */
import type { Revocation, Statement, Statements, SubkeyFacts } from './facts.ts';
import { type Claim, inOrder, Timeline } from './timeline.ts';

export class History {
  readonly #newest: Timeline<Statement>;
  /** When the youngest revocation was made that counts. */
  readonly #revoked: Timeline<number>;

  constructor({ good, revocations }: Pick<Statements, 'good' | 'revocations'>) {
    this.#newest = new Timeline(
      newestFirst(good).map((value) => ({ from: value.from, until: value.until, value })),
    );
    this.#revoked = new Timeline(newestFirst(revocations).map(claimOf));
  }

  /** Returns the newest statement that counts at a time. */
  latest(at: number): Statement | undefined {
    const newest = this.#newest.at(at);
    if (newest === undefined) return undefined;
    // RFC 9580 §5.2.1.13: a revocation is about what was certified before it, and so not about what is newer
    const revoked = this.#revoked.at(at);
    return revoked !== undefined && revoked >= newest.from ? undefined : newest;
  }

  isRevoked(at: number): boolean {
    return this.#revoked.at(at) !== undefined;
  }

  /** Returns when which statement is the newest that counts. */
  claims(): Claim<Statement>[] {
    const times = inOrder([...this.#newest.times, ...this.#revoked.times]);
    return times.flatMap((from, place) => {
      const value = this.latest(from);
      return value === undefined
        ? []
        : [{ from, until: times[place + 1] ?? Number.POSITIVE_INFINITY, value }];
    });
  }
}

/** The owner's word on a subkey at a time, or why it does not count. */
export type SubkeyState =
  | { readonly binding: Statement }
  | { readonly not: 'revoked' | 'unbound' }
  | { readonly not: 'expired' | 'early'; readonly when: number };

export class SubkeyHistory {
  readonly facts: SubkeyFacts;
  readonly #history: History;

  constructor(facts: SubkeyFacts) {
    this.facts = facts;
    this.#history = new History(facts);
  }

  /** Returns the statement by which it is a valid subkey at a time. */
  bindingAt(at: number): Statement | undefined {
    const { createdAt } = this.facts;
    // unlike a user ID, a revoked subkey stays revoked if it is bound again later, as in GnuPG
    if (createdAt > at || this.#history.isRevoked(at)) return undefined;
    const binding = this.#history.latest(at);
    return binding === undefined || at >= expiryOf(createdAt, binding) ? undefined : binding;
  }

  stateAt(at: number): SubkeyState {
    const { createdAt, good } = this.facts;
    const valid = this.bindingAt(at);
    if (valid !== undefined) return { binding: valid };
    if (this.#history.isRevoked(at)) return { not: 'revoked' };
    const binding = this.#history.latest(at);
    if (binding !== undefined)
      return createdAt > at
        ? { not: 'early', when: createdAt }
        : { not: 'expired', when: expiryOf(createdAt, binding) };
    const lapsed = good.map(({ until }) => until).filter((until) => until <= at);
    if (lapsed.length > 0) return { not: 'expired', when: Math.max(...lapsed) };
    const coming = good.map(({ from }) => from);
    return coming.length > 0 ? { not: 'early', when: Math.min(...coming) } : { not: 'unbound' };
  }
}

/** Of those made at once, the last of all comes first. */
export function newestFirst<T extends { readonly from: number }>(all: readonly T[]): T[] {
  return [...all].reverse().sort((a, b) => compare(b.from, a.from));
}

// two infinities have no difference
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

function claimOf({ from, until, isHard }: Revocation): Claim<number> {
  const ever = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
  return { ...(isHard ? ever : { from, until }), value: from };
}

export function countsAt({ from, until, isHard }: Revocation, at: number): boolean {
  return isHard || (from <= at && at < until);
}

/** Returns when a key ends according to a statement about it, or infinity. */
export function expiryOf(createdAt: number, { packet }: Statement): number {
  const { keyNeverExpires, keyExpirationTime } = packet;
  if (keyNeverExpires !== false || keyExpirationTime === null) return Number.POSITIVE_INFINITY;
  return createdAt + keyExpirationTime * 1000;
}
