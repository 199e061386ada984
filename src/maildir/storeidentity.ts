/**
 * Which store is at the root now: another one has another identity, be it a different disk or a new directory
 * with the same path and inode number.
 */
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import type { Disk } from '../disk/disk.ts';

/** How old an answer may be. */
const KEEP_MS = 1000;
/** How long anybody waits for one. */
const WAIT_MS = 1000;

export interface StoreIdentityParts {
  readonly disk: Pick<Disk, 'stat'>;
  readonly world: Pick<World, 'micros'>;
  readonly root: string;
}

export class StoreIdentity {
  readonly #parts: StoreIdentityParts;
  #answer: Promise<string> | undefined;
  #askedAt = 0;
  #isAsking = false;

  constructor(parts: StoreIdentityParts) {
    this.#parts = parts;
  }

  /** Returns the identity of a second ago or later; undefined if the root does not answer in time. */
  async now(): Promise<string | undefined> {
    if (this.#isAsking && this.#age() >= WAIT_MS) return undefined;
    // without its root there is no store, and so no duplicate
    const answer = this.#asked().catch(() => undefined);
    if (!this.#isAsking) return answer;
    const inTime = await within(answer, WAIT_MS);
    return inTime === 'late' ? undefined : inTime;
  }

  /** The same, however long it takes. Undefined if there is no root; throws if that cannot be asked. */
  async certain(): Promise<string | undefined> {
    const answer = this.#asked();
    return answer.catch((error: NodeJS.ErrnoException) => {
      if (this.#answer === answer) this.#answer = undefined;
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    });
  }

  #asked(): Promise<string> {
    if (this.#answer === undefined || (!this.#isAsking && this.#age() >= KEEP_MS)) this.#answer = this.#ask();
    return this.#answer;
  }

  #age(): number {
    return this.#parts.world.micros() / 1000 - this.#askedAt;
  }

  async #ask(): Promise<string> {
    const { disk, world, root } = this.#parts;
    this.#isAsking = true;
    this.#askedAt = world.micros() / 1000;
    try {
      return (await disk.stat(root)).identity;
    } finally {
      this.#isAsking = false;
    }
  }
}
