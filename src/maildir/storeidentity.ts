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
  #answer: Promise<string | undefined> | undefined;
  #askedAt = 0;
  #isAsking = false;

  constructor(parts: StoreIdentityParts) {
    this.#parts = parts;
  }

  /** Returns the identity of a second ago or later; undefined if the root does not answer in time. */
  async now(): Promise<string | undefined> {
    const age = this.#parts.world.micros() / 1000 - this.#askedAt;
    if (this.#answer === undefined || (!this.#isAsking && age >= KEEP_MS)) this.#answer = this.#ask();
    else if (this.#isAsking && age >= WAIT_MS) return undefined;
    if (!this.#isAsking) return this.#answer;
    const answer = await within(this.#answer, WAIT_MS);
    return answer === 'late' ? undefined : answer;
  }

  async #ask(): Promise<string | undefined> {
    const { disk, world, root } = this.#parts;
    this.#isAsking = true;
    this.#askedAt = world.micros() / 1000;
    try {
      return (await disk.stat(root)).identity;
    } catch {
      return undefined; // without its root there is no store, and so no duplicate
    } finally {
      this.#isAsking = false;
    }
  }
}
