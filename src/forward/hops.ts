/**
 * The next hops of a site, and which recipients are behind them: what their source says of them, else what
 * the site says of all.
 */
import type { EventOf } from '../core/events.ts';
import type { Meter } from '../core/meter.ts';
import { isExposed, type NextHop, NO_HOP } from '../core/nexthop.ts';
import { Held } from './held.ts';
import { openConnection } from './opening.ts';
import { Pool } from './pool.ts';
import { ForwardStore } from './store.ts';

/** Bytes of copies held for all of them. A message has up to half a MiB of it for each recipient. */
const MOST_HELD_BYTES = 128 * 1024 * 1024;

export interface HopsOptions {
  /** Of whom a source says nothing; undefined: their mail goes into Maildirs. */
  readonly hop: NextHop | undefined;
  /** The name of this host. */
  readonly host: string;
  /** See HopOptions. */
  readonly ca: string | undefined;
  /** TCP beyond the loopback may do without TLS. */
  readonly plainBeyondLoopback: boolean;
  /** Most connections of this process to each. */
  readonly connections: number;
  readonly meter: Pick<Meter, 'forwarded'>;
  fault(event: EventOf<'error'>, error: unknown): void;
}

/** Whose mail it is. */
export interface HopRecipient {
  readonly address: string;
  readonly forward?: NextHop | typeof NO_HOP | undefined;
}

export class Hops {
  readonly #options: HopsOptions;
  readonly #stores = new Map<string, ForwardStore>(); // by the address as written
  readonly #held = new Held(MOST_HELD_BYTES);
  #isClosed = false;

  constructor(options: HopsOptions) {
    this.#options = options;
  }

  /** Returns undefined for a recipient whose mail goes into a Maildir. */
  placeOf({ address, forward }: HopRecipient): { store: ForwardStore; mailbox: string } | undefined {
    const hop = forward ?? this.#options.hop;
    if (hop === undefined || hop === NO_HOP) return undefined;
    return { store: this.#storeOf(hop), mailbox: `${hop.text}/${address}` };
  }

  /** Connections now. */
  get connections(): { readonly taken: number; readonly idle: number } {
    const pools = [...this.#stores.values()].map(({ pool }) => pool);
    return {
      taken: pools.reduce((sum, { taken }) => sum + taken, 0),
      idle: pools.reduce((sum, { idle }) => sum + idle, 0),
    };
  }

  /** Ends all connections. */
  close(): void {
    this.#isClosed = true;
    for (const { pool } of this.#stores.values()) pool.close();
  }

  #storeOf(hop: NextHop): ForwardStore {
    const { host, ca, plainBeyondLoopback, connections: most, meter, fault } = this.#options;
    const needsTls = isExposed(hop) && !plainBeyondLoopback;
    const open = () => {
      if (this.#isClosed) throw new Error('the server stops');
      return openConnection({ hop, host, ca, needsTls });
    };
    const pool = () =>
      new Pool({
        most,
        open: async () => open(),
        fault: (error) => fault('store.forward', new Error(`${hop.text}: ${(error as Error).message}`)),
      });
    const { text: nextHop } = hop;
    const made = () => new ForwardStore({ nextHop, pool: pool(), held: this.#held, meter });
    const store = this.#stores.get(nextHop) ?? made();
    this.#stores.set(nextHop, store);
    return store;
  }
}
