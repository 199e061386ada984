/**
 * The connections to one next hop: so many at most, kept for a while between two messages. Whoever finds none
 * free waits, first come first served. Copies that are sent while they arrive have half of them at most:
 * their clients may be slow, and small copies need a connection for an instant.
 */
import { type HopConnection, isGood } from './connection.ts';

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

/** How long a copy has its connection: as long as its client takes, or as long as the next hop does. */
export type Pace = 'slow' | 'quick';

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
  readonly #leased = new Map<HopConnection, Pace>();
  readonly #waiting = new Set<{ readonly pace: Pace; begin(): void }>();
  #taken = 0; // leased, or about to be
  #slow = 0; // of them
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
  async take(patienceMs: number, pace: Pace, wanted: 'any' | 'fresh' = 'any'): Promise<Lease> {
    await this.#turn(patienceMs, pace);
    const kept = wanted === 'any' ? this.#idle.at(-1) : undefined;
    if (kept !== undefined) {
      this.#forget(kept);
      kept.wakeUp();
      return this.#lease(kept, pace, true);
    }
    const [oldest] = this.#idle;
    if (oldest !== undefined && this.#taken + this.#idle.length > this.#options.most) this.#retire(oldest);
    try {
      const connection = await this.#options.open();
      this.#isDown = false;
      return this.#lease(connection, pace, false);
    } catch (error) {
      this.#free(pace);
      if (!this.#isDown) this.#options.fault(error);
      this.#isDown = true;
      throw new UnreachableError((error as Error).message, { cause: error });
    }
  }

  #lease(connection: HopConnection, pace: Pace, isReused: boolean): Lease {
    this.#leased.set(connection, pace);
    if (this.#isClosed) connection.destroy();
    return { connection, isReused };
  }

  /** Takes a connection back on which nothing is under way. */
  give(connection: HopConnection): void {
    if (!connection.isUsable || this.#isClosed) return this.drop(connection);
    const pace = this.#leased.get(connection);
    this.#leased.delete(connection);
    this.#idle.push(connection);
    const timer = setTimeout(() => this.#retire(connection), IDLE_MS).unref();
    this.#timers.set(connection, timer);
    connection.rest(() => this.#retire(connection));
    if (pace !== undefined) this.#free(pace);
  }

  /** Takes one back on which something was refused: the next hop still has a sender, perhaps a recipient. */
  async reset(connection: HopConnection): Promise<void> {
    if (!connection.isUsable) return this.drop(connection);
    try {
      if (isGood(await connection.say('RSET'))) this.give(connection);
      else this.drop(connection);
    } catch {
      this.drop(connection);
    }
  }

  /** Ends a connection, whatever is under way on it. */
  drop(connection: HopConnection): void {
    connection.destroy();
    const pace = this.#leased.get(connection);
    if (this.#leased.delete(connection) && pace !== undefined) this.#free(pace);
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#idle]) this.#retire(connection);
    for (const connection of this.#leased.keys()) connection.destroy();
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

  #mayBegin(pace: Pace): boolean {
    const { most } = this.#options;
    return this.#taken < most && (pace === 'quick' || this.#slow < Math.max(1, Math.floor(most / 2)));
  }

  #begin(pace: Pace): void {
    this.#taken++;
    if (pace === 'slow') this.#slow++;
  }

  async #turn(patienceMs: number, pace: Pace): Promise<void> {
    if (this.#mayBegin(pace)) return this.#begin(pace);
    await new Promise<void>((resolve, reject) => {
      const waiting = {
        pace,
        begin() {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(new BusyError(`all ${this.#options.most} connections, or half of them, are in use`));
      }, patienceMs);
      this.#waiting.add(waiting);
    });
  }

  /** Ends a turn, and lets those have theirs who can. */
  #free(pace: Pace): void {
    this.#taken--;
    if (pace === 'slow') this.#slow--;
    for (const waiting of this.#waiting) {
      if (!this.#mayBegin(waiting.pace)) continue;
      this.#waiting.delete(waiting);
      this.#begin(waiting.pace);
      waiting.begin();
    }
  }
}
