/**
 * Address -> account: who gets the mail and where it goes. An address exists if the key
 * directory has it, or has the address without its detail (`user+list` -> `user`).
 */
import { join } from 'node:path';
import {
  type Address,
  canonicalAddress,
  partsOf,
  pathSegment,
  type SameAddress,
  withoutDetail,
} from '../core/address.ts';
import type { Why } from '../core/outcome.ts';
import type { KeyDirectory, KeyEntry } from '../keys/directory.ts';

export interface Account {
  /** Canonical address; two recipients with the same one are the same mailbox. */
  readonly address: string;
  /** Path of its Maildir. */
  readonly mailbox: string;
  readonly keys: KeyEntry;
}

export interface ResolveParts {
  readonly keyDirectory: Pick<KeyDirectory, 'lookup'>;
  readonly same: SameAddress;
  readonly delimiter: string;
  /** Maildir path with `{local}` and `{domain}`. */
  readonly maildir: string;
}

/** The account, or why there is none. Throws when the directory could not be asked: that is not "unknown". */
export async function resolve(address: Address, parts: ResolveParts): Promise<Account | Why> {
  for (const candidate of [address, withoutDetail(address, parts.delimiter)]) {
    const canonical = candidate && canonicalAddress(candidate, parts.same);
    if (canonical === undefined) continue;
    const keys = await parts.keyDirectory.lookup(canonical);
    if (keys !== undefined)
      return { address: canonical, mailbox: mailboxPath(parts.maildir, canonical), keys };
  }
  return 'unknownRecipient';
}

/** Each placeholder becomes one path segment, so that no address leaves the store. */
export function mailboxPath(template: string, canonical: string): string {
  const { local, domain } = partsOf(canonical);
  const values: Record<string, string> = { local: pathSegment(local), domain: pathSegment(domain) };
  return join(template.replace(/\{(local|domain)\}/g, (_, name: string) => values[name] ?? ''));
}
