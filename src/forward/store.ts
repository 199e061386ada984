/** The store of others, as a place where copies go. What it holds is its own: nothing is asked. */
import type { CopyStore, Envelope } from '../core/copystore.ts';
import { ForwardedCopy, type ForwardedParts } from './copy.ts';
import type { Pool } from './pool.ts';

export interface ForwardStoreParts extends Pick<ForwardedParts, 'pool' | 'held' | 'meter'> {
  /** Its address as written. */
  readonly nextHop: string;
}

export class ForwardStore implements CopyStore {
  readonly nextHop: string;
  readonly noFolders = 'the next hop files mail itself';
  readonly space = { shortage: async () => undefined };
  readonly pool: Pool;
  readonly #parts: ForwardStoreParts;

  constructor(parts: ForwardStoreParts) {
    this.nextHop = parts.nextHop;
    this.pool = parts.pool;
    this.#parts = parts;
  }

  stage(_mailbox: string, envelope: Envelope): ForwardedCopy {
    return new ForwardedCopy({ ...this.#parts, envelope });
  }

  /** Always the same one, whatever is behind it: what it has taken is remembered as delivered (D22). */
  async identity(): Promise<string> {
    return this.nextHop;
  }

  /** Hosts that remember together mean the same by this name, be it a socket of their own. */
  async sharedIdentity(): Promise<string> {
    return this.nextHop;
  }

  async has(): Promise<boolean> {
    return true;
  }

  /** It cannot be asked what became of a copy whose process died: that may come a second time. */
  async holds(): Promise<boolean> {
    return false;
  }

  async hasFolder(): Promise<boolean> {
    return false;
  }
}
