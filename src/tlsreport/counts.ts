/**
 * How many messages of which domain came, or went, in which way. There are never more than so many domains:
 * the one with the fewest messages makes room, and counts as `other` from then on, so that domains which were
 * made up once do not push out those that write.
 */
import type { Way } from '../core/hop.ts';

export interface Row extends Way {
  readonly domain: string;
  readonly count: number;
  /** When the last one came. Milliseconds since the epoch. */
  readonly last: number;
}

type Counted = { -readonly [K in keyof Row]: Row[K] };

interface Domain {
  readonly ways: Map<string, Counted>;
  count: number;
  last: number;
}

export const MOST_DOMAINS = 1000;
export const OTHER = 'other';
/** More ways of one domain count as one with another cipher. */
const MOST_WAYS = 40;

export class Counts {
  readonly #domains = new Map<string, Domain>();
  readonly #mostDomains: number;

  constructor(rows: Iterable<Row> = [], mostDomains = MOST_DOMAINS) {
    this.#mostDomains = mostDomains;
    for (const row of rows) this.add(row);
  }

  add(row: Row): void {
    const known = this.#domains.get(row.domain);
    if (known === undefined && row.domain !== OTHER) this.#makeRoom();
    const domain = known ?? { ways: new Map(), count: 0, last: 0 };
    this.#domains.set(row.domain, domain);
    domain.count += row.count;
    domain.last = Math.max(domain.last, row.last);
    const key = keyOf(row);
    const before = domain.ways.get(key);
    if (before === undefined) return addWay(domain, key, row);
    before.count += row.count;
    before.last = Math.max(before.last, row.last);
  }

  get rows(): Row[] {
    const domains = [...this.#domains.values()];
    return domains.flatMap(({ ways }) => [...ways.values()].map((row) => ({ ...row })));
  }

  /** Returns all rows, and is empty then. */
  take(): Row[] {
    const { rows } = this;
    this.#domains.clear();
    return rows;
  }

  #makeRoom(): void {
    const own = this.#domains.has(OTHER) ? 1 : 0;
    if (this.#domains.size - own < this.#mostDomains) return;
    let least: readonly [string, Domain] | undefined;
    for (const each of this.#domains)
      if (each[0] !== OTHER && (least === undefined || isBefore(each[1], least[1]))) least = each;
    if (least === undefined) return;
    const [name, { ways }] = least;
    this.#domains.delete(name);
    for (const row of ways.values()) this.add({ ...row, domain: OTHER });
  }
}

function addWay({ ways }: Domain, key: string, row: Row): void {
  if (ways.size < MOST_WAYS) return void ways.set(key, { ...row });
  const other = { ...row, cipher: OTHER };
  const before = ways.get(keyOf(other));
  const count = (before?.count ?? 0) + row.count;
  ways.set(keyOf(other), { ...other, count, last: Math.max(before?.last ?? 0, row.last) });
}

function isBefore(one: Domain, other: Domain): boolean {
  return one.count < other.count || (one.count === other.count && one.last < other.last);
}

function keyOf({ version, cipher }: Way): string {
  return `${version} ${cipher}`;
}
