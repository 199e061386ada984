/** What identifies a copy to whoever remembers it: a keyed hash, of which nothing can be read. */
import { createHash, createHmac } from 'node:crypto';

const COPY_BYTES = 11;

/** One copy, and the recipients that it answers. */
export interface Identified {
  /** COPY_BYTES as a latin1 string. */
  readonly copy: string;
  /** A hash of the path of each recipient. */
  readonly paths: readonly Uint8Array[];
}

export interface Delivery {
  /** See Store.identity. */
  readonly store: string;
  readonly mailbox: string;
  readonly account: string;
  /** The reverse-path as sent. */
  readonly sender: Buffer;
  /** SHA-256 of the message as received. */
  readonly digest: Buffer;
}

/** Returns the identity of a copy that answers RCPTs with these paths, as sent. */
export function identify(secret: Buffer, delivery: Delivery, paths: readonly string[]): Identified {
  const { store, mailbox, account, sender, digest } = delivery;
  const names = JSON.stringify([store, mailbox, account, sender.toString('latin1')]);
  // the digest has always the same length, and JSON its own end: no part can pass for a piece of another
  const known = createHmac('sha256', secret).update(digest).update(names).digest();
  const key = known.subarray(COPY_BYTES);
  return {
    copy: known.toString('latin1', 0, COPY_BYTES),
    paths: paths.map((path) => createHash('sha256').update(key).update(path).digest()),
  };
}
