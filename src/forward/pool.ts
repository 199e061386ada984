/**
 * The connections to one next hop: so many at most, kept for a while between two messages. Whoever finds none
 * free waits, first come first served.
 */
import type { HopConnection } from './connection.ts';

export interface PoolOptions {
  readonly most: number;
  open(): Promise<HopConnection>;
  /** Is told why none could be opened, once until that works again. */
  fault(error: unknown): void;
}

export interface Lease {
  readonly connection: HopConnection;
  /** It was idle, so that the next hop may have closed it just now. */
  readonly isReused: boolean;
}

/** All connections were taken for too long. */
export class BusyError extends Error {}
/** None could be opened. */
export class UnreachableError extends Error {}

/** Shorter than the time after which servers close connections themselves (Dovecot, Cyrus: 5 minutes). */
const IDLE_MS = 30_000;

export class Pool {
  readonly #options: PoolOptions;
  readonly #idle: HopConnection[] = []; // those used last at the end
  readonly #timers = new Map<HopConnection, NodeJS.Timeout>();
  readonly #leased = new Set<HopConnection>();
  readonly #waiting = new Set<() => void>();
  #taken = 0; // leased, or about to be
  #isDown = false;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get taken(): number {
    return this.#taken;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** `fresh` opens one. Throws BusyError after `patienceMs`, and UnreachableError. */
  async take(patienceMs: number, wanted: 'any' | 'fresh' = 'any'): Promise<Lease> {
    await this.#turn(patienceMs);
    const kept = wanted === 'any' ? this.#idle.at(-1) : undefined;
    if (kept !== undefined) {
      this.#forget(kept);
      kept.wakeUp();
      return this.#lease(kept, true);
    }
    const [oldest] = this.#idle;
    if (oldest !== undefined && this.#taken + this.#idle.length > this.#options.most) this.#retire(oldest);
    try {
      const connection = await this.#options.open();
      this.#isDown = false;
      return this.#lease(connection, false);
    } catch (error) {
      this.#free();
      if (!this.#isDown) this.#options.fault(error);
      this.#isDown = true;
      throw new UnreachableError((error as Error).message, { cause: error });
    }
  }

  #lease(connection: HopConnection, isReused: boolean): Lease {
    this.#leased.add(connection);
    if (this.#isClosed) connection.destroy();
    return { connection, isReused };
  }

  /** Takes a connection back on which nothing is under way. */
  give(connection: HopConnection): void {
    if (!connection.isUsable || this.#isClosed) return this.drop(connection);
    this.#leased.delete(connection);
    this.#idle.push(connection);
    const timer = setTimeout(() => this.#retire(connection), IDLE_MS).unref();
    this.#timers.set(connection, timer);
    connection.rest(() => this.#retire(connection));
    this.#free();
  }

  /** Ends a connection, whatever is under way on it. */
  drop(connection: HopConnection): void {
    connection.destroy();
    if (this.#leased.delete(connection)) this.#free();
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#idle]) this.#retire(connection);
    for (const connection of this.#leased) connection.destroy();
  }

  #retire(connection: HopConnection): void {
    this.#forget(connection);
    connection.close();
  }

  #forget(connection: HopConnection): void {
    clearTimeout(this.#timers.get(connection));
    this.#timers.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  async #turn(patienceMs: number): Promise<void> {
    if (this.#taken < this.#options.most) {
      this.#taken++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(begin);
        reject(new BusyError(`all ${this.#options.most} connections are in use`));
      }, patienceMs);
      this.#waiting.add(begin);
    });
  }

  /** Lets the next one have the turn that has ended. */
  #free(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
