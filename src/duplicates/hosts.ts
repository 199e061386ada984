/**
 * What hosts that share a store remember together, in Redis: which copies are stored, and which somebody is
 * storing right now. Beside it each host remembers by itself (memory.ts), and goes on so while Redis is gone.
 *
 *   sealdir:c:COPY   somebody is storing this copy; gone some seconds after they have stopped renewing it
 *   sealdir:PATH     a recipient has their copy; the value proves that somebody who has the secret wrote it
 *
 * COPY and PATH are hashes under the secret of the hosts. Only a PATH, which is written when its copy is
 * durable, acknowledges anything; a claim merely lets others wait.
 */

import { LastingLink, type LinkOptions, type Stored } from './lastinglink.ts';
import type { Identified } from './memory.ts';

/** How long a claim lasts by itself: what a host that died has begun may be stored by another after that. */
const CLAIM_MS = 15_000;
/** Nobody renews one for longer: of a host whose volume hangs, others store the copy. */
const UNDER_WAY_MS = 15 * 60_000;
const PREFIX = 'sealdir:';
const NAME_BYTES = 12;
const PROOF_BYTES = 9;

export interface SharedOptions extends LinkOptions {
  /** The key of the identities; the same on all hosts. */
  readonly secret: Buffer;
  readonly windowMs: number;
}

/** A copy that is being stored here; one of the two is called. */
export interface HostClaim {
  /** Call when it is durable, before anybody is told. Never rejects, and takes little more than a second. */
  stored(): Promise<void>;
  /** Call when nothing of it is left. */
  failed(): void;
}

export class SharedDeliveries {
  readonly secret: Buffer;
  readonly #windowMs: number;
  readonly #link: LastingLink;

  constructor(options: SharedOptions) {
    this.secret = options.secret;
    this.#windowMs = options.windowMs;
    this.#link = new LastingLink(options);
  }

  get isReachable(): boolean {
    return this.#link.isUp;
  }

  /** Exchanges and connections that have failed so far. */
  get failures(): number {
    return this.#link.failures;
  }

  /**
   * Tells whether all recipients of a copy have theirs, or somebody else is storing it now; else claims it.
   * Takes little more than a second. While Redis is gone every copy is ours.
   */
  async claim({ copy, paths }: Identified): Promise<'stored' | 'elsewhere' | HostClaim> {
    const name = `${PREFIX}c:${Buffer.from(copy, 'latin1').toString('base64url')}`;
    const records = paths.map(recordOf);
    const replies = await this.#link.ask([
      ['SET', name, '1', 'NX', 'PX', String(CLAIM_MS)],
      ['MGET', ...records.map(({ key }) => key)],
    ]);
    const [claimed, values] = replies ?? [undefined, []];
    const isOurs = claimed === 'OK';
    const known = Array.isArray(values) ? values : [];
    if (records.length > 0 && records.every(({ proof }, n) => known[n] === proof)) {
      if (isOurs) void this.#link.ask([['DEL', name]]);
      return 'stored';
    }
    if (replies !== undefined && !isOurs) return 'elsewhere';
    return this.#begun(isOurs ? name : undefined, records);
  }

  #begun(claim: string | undefined, records: readonly Stored[]): HostClaim {
    let left = claim === undefined ? 0 : (3 * UNDER_WAY_MS) / CLAIM_MS;
    const renew = () => {
      if (left-- > 0) void this.#link.ask([['PEXPIRE', claim ?? '', `${CLAIM_MS}`]]);
      else clearInterval(renewing);
    };
    const renewing = setInterval(renew, CLAIM_MS / 3);
    renewing.unref();
    const release = claim === undefined ? [] : [['DEL', claim]];
    const told = records.map(({ key, proof }) => ['SET', key, proof, 'PX', String(this.#windowMs)]);
    return {
      stored: async () => {
        clearInterval(renewing);
        const replies = await this.#link.ask([...told, ...release]);
        if (replies === undefined) this.#link.tellLater(records, this.#windowMs);
      },
      failed: () => {
        clearInterval(renewing);
        void this.#link.ask(release);
      },
    };
  }

  close(): void {
    this.#link.close();
  }
}

/** Takes the hash of a path, which is keyed: the first bytes are the name, others the proof. */
function recordOf(path: Uint8Array): Stored {
  const bytes = Buffer.from(path);
  return {
    key: PREFIX + bytes.toString('base64url', 0, NAME_BYTES),
    proof: bytes.toString('base64url', NAME_BYTES, NAME_BYTES + PROOF_BYTES),
  };
}
