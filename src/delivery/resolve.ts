/**
 * Address -> recipient: who gets the mail. An address exists if the recipient source has it, or has the
 * address without its detail (`user+list` -> `user`), or has `@domain`, which takes what nobody else does.
 */
import {
  type Address,
  canonicalAddress,
  catchAllOf,
  partsOf,
  type SameAddress,
  splitDetail,
} from '../core/address.ts';
import { type Refusal, refusal } from '../core/outcome.ts';
import type { Recipient, RecipientSource } from '../recipients/source.ts';

export interface Addressing {
  readonly recipients: RecipientSource;
  readonly same: SameAddress;
  /** The characters that may stand between a user and a detail. */
  readonly delimiters: string;
}

/** A recipient as they were addressed. */
export interface Addressed extends Recipient {
  /** What stood between the delimiter and the "@"; undefined where the account has the address itself. */
  readonly detail?: string | undefined;
}

/**
 * Returns the recipient, or why there is none. Throws if the source could not be asked: that is not
 * "unknown".
 */
export async function resolve(address: Address, parts: Addressing): Promise<Addressed | Refusal> {
  const { recipients, same, delimiters } = parts;
  const detailed = splitDetail(address, delimiters);
  const candidates = [
    { canonical: canonicalAddress(address, same) },
    { canonical: canonicalOrNone(detailed?.address, same), detail: detailed?.detail },
    { canonical: catchAllOf(address.domain, same) },
  ];
  for (const { canonical, detail } of candidates) {
    const recipient = canonical === undefined ? undefined : await recipients.find(canonical);
    if (recipient !== undefined) return detail === undefined ? recipient : { ...recipient, detail };
  }
  return refusal('unknownRecipient');
}

function canonicalOrNone(address: Address | undefined, same: SameAddress): string | undefined {
  return address && canonicalAddress(address, same);
}

/**
 * Returns the path by which a store of others knows an account: the account's own address, since aliases and
 * spellings are known here alone, with the detail that was sent; as sent where no address is the account's.
 */
export function ownPathOf(
  sent: { readonly address: Address; readonly path: string },
  account: string,
  { same, delimiters }: Pick<Addressing, 'same' | 'delimiters'>,
): string {
  const { address, path } = sent;
  if (account.startsWith('@')) return address.domain === '' ? `${path}@${same.defaultDomain}` : path;
  const bare = splitDetail(address, delimiters)?.address;
  const isWhole = canonicalAddress(address, same) === account;
  const hasDetail = !isWhole && bare !== undefined && canonicalAddress(bare, same) === account;
  const { local, domain } = partsOf(account);
  return `${written(hasDetail ? local + address.local.slice(bare.local.length) : local)}@${domain}`;
}

/** RFC 5321 §4.1.2: a local part that is no dot-string is quoted. */
function written(local: string): string {
  return /^[^\s"\\@()<>,;:[\]]+$/.test(local) ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
}
