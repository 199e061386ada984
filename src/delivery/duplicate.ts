/**
 * Recognises a message that comes again because our reply did not arrive, by an identity of each copy: a
 * keyed hash of store, mailbox, account, reverse-path and every byte received. It is acknowledged without a
 * second copy. Nothing is acknowledged that was not durable in the mailbox. Knows nothing of where identities
 * are kept.
 */
import { createHash, type Hash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';
import { type Identified, identify } from '../core/identity.ts';

/** A copy that a process was storing when it died. */
export interface Interrupted {
  /** Whether a file has the final name that the copy was to have. */
  isFile(name: string): boolean;
  /** Call when the file is durable. */
  stored(): void;
}

/** A copy that is being stored; one of the two is called. */
export interface Attempt {
  /** Call when it is durable, before anybody is told. */
  stored(): void;
  /** Call when nothing of it is left. */
  failed(): void;
}

export interface DeliveryMemory {
  readonly secret: Buffer;
  /** Tells whether all the recipients of a copy have it; `elsewhere`: another process is storing it. */
  find(identified: Identified): 'stored' | 'elsewhere' | 'unknown' | Interrupted;
  /** Notes that a copy is about to become the file `file`. */
  begin(identified: Identified, account: string, file: string): Attempt;
  /** copy -> its commit under way in this process. */
  readonly underWay: Map<string, Promise<unknown>>;
}

/** A copy that hosts know to be stored here; one of the two is called. */
export interface HostClaim {
  /** Call when it is durable, before anybody is told. Never rejects. */
  stored(): Promise<void>;
  /** Call when nothing of it is left. */
  failed(): void;
}

/** What hosts that share a store remember together. */
export interface HostsMemory {
  readonly secret: Buffer;
  /** Tells whether all recipients of a copy have it, or another is storing it now; else claims it. */
  claim(identified: Identified): Promise<'stored' | 'elsewhere' | HostClaim>;
}

/** How often to look whether another process, or another host, has ended what it has begun. */
const AGAIN_MS = 250;

/** One copy on its way into its mailbox. */
export interface Storing {
  readonly account: string;
  readonly mailbox: string;
  /** The store that the mailbox is in. */
  readonly store: StoreView;
  /** The paths of the RCPTs that it answers. */
  readonly paths: readonly string[];
  /** Its final name; '' if it becomes no file. */
  readonly file: string;
  /** Makes it durable. */
  commit(): Promise<void>;
}

/** What is asked of the store. */
export interface StoreView {
  /** See CopyStore: it may have taken a copy, and not have said so yet. */
  readonly nextHop?: string | undefined;
  identity(mailbox: string): Promise<string | undefined>;
  sharedIdentity(mailbox: string): Promise<string | undefined>;
  has(mailbox: string): Promise<boolean>;
  holds(mailbox: string, isIt: (name: string) => boolean): Promise<boolean>;
}

export interface DuplicatesParts {
  /** Undefined: nothing is hashed, and nothing is a duplicate. */
  readonly memory: DeliveryMemory | undefined;
  /** What other hosts know; undefined if they are not asked. */
  readonly hosts?: HostsMemory | undefined;
  readonly sender: Buffer;
}

/** The duplicates of one message. */
export class Duplicates {
  readonly #parts: DuplicatesParts;
  readonly #hash: Hash | undefined;
  #digest: Buffer | undefined;

  constructor(parts: DuplicatesParts) {
    this.#parts = parts;
    this.#hash = parts.memory && createHash('sha256');
  }

  /** Takes the next bytes of the message. */
  update(bytes: Buffer): void {
    this.#hash?.update(bytes);
  }

  /**
   * Stores a copy, unless an earlier one answers all of its RCPTs: then returns false. Waits up to `waitMs`
   * for an earlier copy that is being stored now. To be called after the end of the message.
   */
  async storeOnce(copy: Storing, waitMs: number): Promise<boolean> {
    const { memory } = this.#parts;
    const { store } = copy;
    // asked now, not at MAIL: what counts is the store into which the copy goes
    const identity =
      memory === undefined ? undefined : await this.#inTime(store.identity(copy.mailbox), waitMs);
    if (memory === undefined || identity === undefined || copy.paths.length === 0)
      return copy.commit().then(() => true);
    const identified = this.#identify(memory, identity, copy);
    const { underWay } = memory;
    const deadline = performance.now() + waitMs;
    for (let found = memory.find(identified); ; found = memory.find(identified)) {
      // a mailbox that is gone took its messages along
      const isThere = found === 'stored' && (await this.#inTime(store.has(copy.mailbox), waitMs));
      if (isThere) return false;
      // in a Maildir two are taken (D22); a next hop cannot be asked what it has, and may be slow
      if (found === 'elsewhere' && store.nextHop !== undefined) {
        if (performance.now() >= deadline) throw new CopyFailure('tooSlow');
        await wait(AGAIN_MS);
        continue;
      }
      // the client of that copy is told of its error
      const other = underWay.get(identified.copy)?.catch(() => {});
      if (other === undefined) {
        const before = typeof found === 'string' ? 'unknown' : found;
        return this.#storeAlone(memory, identified, copy, before, waitMs);
      }
      if ((await within(other, waitMs)) === 'late') throw new CopyFailure('tooSlow');
    }
  }

  async #storeAlone(
    memory: DeliveryMemory,
    identified: Identified,
    copy: Storing,
    found: 'unknown' | Interrupted,
    waitMs: number,
  ): Promise<boolean> {
    const storing = this.#findOrCommit(memory, identified, copy, found, waitMs);
    memory.underWay.set(identified.copy, storing);
    try {
      return await storing;
    } finally {
      memory.underWay.delete(identified.copy);
    }
  }

  async #findOrCommit(
    memory: DeliveryMemory,
    identified: Identified,
    copy: Storing,
    found: 'unknown' | Interrupted,
    waitMs: number,
  ): Promise<boolean> {
    if (found !== 'unknown') {
      const looking = copy.store.holds(copy.mailbox, found.isFile);
      if (await this.#inTime(looking, waitMs)) {
        found.stored();
        return false;
      }
    }
    const claim = await this.#askHosts(copy, waitMs);
    if (claim === 'stored') return false;
    const attempt = memory.begin(identified, copy.account, copy.file);
    await copy.commit().catch((error: unknown) => {
      attempt.failed();
      claim?.failed();
      throw error;
    });
    attempt.stored();
    await claim?.stored();
    return true;
  }

  async #askHosts(copy: Storing, waitMs: number) {
    const { hosts } = this.#parts;
    if (hosts === undefined) return undefined;
    const store = await this.#inTime(copy.store.sharedIdentity(copy.mailbox), waitMs);
    if (store === undefined) return undefined;
    const found = await askHosts(hosts, this.#identify(hosts, store, copy), waitMs);
    if (found !== 'stored') return found;
    // as for what this host knows itself
    return (await this.#inTime(copy.store.has(copy.mailbox), waitMs)) ? 'stored' : undefined;
  }

  async #inTime<T>(looking: Promise<T>, waitMs: number): Promise<T> {
    const found = await within(looking, waitMs);
    if (found === 'late') throw new CopyFailure('tooSlow');
    return found;
  }

  #identify(
    { secret }: Pick<DeliveryMemory, 'secret'>,
    store: string,
    { mailbox, account, paths }: Storing,
  ): Identified {
    if (this.#hash === undefined) throw new Error('nothing was hashed');
    this.#digest ??= this.#hash.digest();
    const delivery = { store, mailbox, account, sender: this.#parts.sender, digest: this.#digest };
    return identify(secret, delivery, paths);
  }
}

/**
 * Claims a copy, unless it is stored. Throws CopyFailure if others are at it for longer than `waitMs`.
 * Nothing is acknowledged but what somebody has recorded as durable: what a host has begun that died is
 * stored again.
 */
async function askHosts(
  hosts: HostsMemory,
  identified: Identified,
  waitMs: number,
): Promise<'stored' | HostClaim> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const found = await hosts.claim(identified);
    if (found !== 'elsewhere') return found;
    if (performance.now() + AGAIN_MS > deadline) throw new CopyFailure('tooSlow');
    await wait(AGAIN_MS);
  }
}
