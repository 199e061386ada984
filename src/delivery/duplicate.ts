/**
 * Recognises a message that comes again because our reply did not arrive, by its identity: a keyed hash of
 * account, envelope and every byte received. It is acknowledged without a second copy. Only what is durable
 * (S5) is remembered, so nothing is acknowledged that was never there. Knows nothing of where identities are
 * kept.
 */
import { createHash, createHmac, type Hash } from 'node:crypto';
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';

const IDENTITY_BYTES = 16;

export interface DeliveryMemory {
  readonly secret: Buffer;
  has(identity: string): boolean;
  add(identity: string): void;
  /** identity -> the commit under way in this process. */
  readonly underWay: Map<string, Promise<unknown>>;
}

/** What identifies one copy: its account, and the paths of the RCPTs that it answers. */
export interface Addressed {
  readonly account: string;
  readonly paths: readonly string[];
}

export interface Delivery {
  readonly account: string;
  /** The reverse-path as sent. */
  readonly sender: Buffer;
  /** The path of the recipient as sent. */
  readonly path: string;
  /** SHA-256 of the message as received. */
  readonly digest: Buffer;
}

/**
 * Returns the identity: 16 bytes as a latin1 string. Each part is hashed with its length in front, so that no
 * part can pass for a piece of another.
 */
export function identityOf(secret: Buffer, { account, sender, path, digest }: Delivery): string {
  const framed: Buffer[] = [];
  for (const part of [Buffer.from(account), sender, Buffer.from(path), digest]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    framed.push(length, part);
  }
  const hmac = createHmac('sha256', secret).update(Buffer.concat(framed)).digest();
  return hmac.toString('latin1', 0, IDENTITY_BYTES);
}

/** The duplicates of one message. Without `memory` nothing is hashed, and nothing is a duplicate. */
export class Duplicates {
  readonly #memory: DeliveryMemory | undefined;
  readonly #sender: Buffer;
  readonly #hash: Hash | undefined;
  #digest: Buffer | undefined;
  readonly #identities = new Map<string, readonly string[]>(); // by account

  constructor(memory: DeliveryMemory | undefined, sender: Buffer) {
    this.#memory = memory;
    this.#sender = sender;
    this.#hash = memory && createHash('sha256');
  }

  /** Takes the next bytes of the message. */
  update(bytes: Buffer): void {
    this.#hash?.update(bytes);
  }

  /**
   * Stores a copy with `commit`, and remembers it once it is durable. Returns false if an earlier copy
   * answers all of its RCPTs. Waits up to `waitMs` for an earlier copy that is being stored now. To be called
   * after the end of the message.
   */
  async storeOnce(copy: Addressed, commit: () => Promise<void>, waitMs: number): Promise<boolean> {
    const memory = this.#memory;
    const identities = this.#identitiesOf(copy);
    if (memory === undefined || identities.length === 0) return commit().then(() => true);
    const { underWay } = memory;
    for (;;) {
      if (identities.every((identity) => memory.has(identity))) return false;
      const other = identities.find((identity) => underWay.has(identity));
      if (other === undefined) break;
      const over = underWay.get(other)?.catch(() => {}); // the client of that copy is told of its error
      if (over !== undefined && (await within(over, waitMs)) === 'late') throw new CopyFailure('tooSlow');
    }
    const storing = commit();
    for (const identity of identities) underWay.set(identity, storing);
    try {
      await storing;
      for (const identity of identities) memory.add(identity);
      return true;
    } finally {
      for (const identity of identities) underWay.delete(identity);
    }
  }

  #identitiesOf({ account, paths }: Addressed): readonly string[] {
    if (this.#memory === undefined || this.#hash === undefined) return [];
    const { secret } = this.#memory;
    this.#digest ??= this.#hash.digest();
    const digest = this.#digest;
    const identities =
      this.#identities.get(account) ??
      paths.map((path) => identityOf(secret, { account, sender: this.#sender, path, digest }));
    this.#identities.set(account, identities);
    return identities;
  }
}
