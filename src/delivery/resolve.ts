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
 * Returns the path by which a store of others knows an account: as sent, with its detail, where that names
 * the account; else the account's own address, since an alias is known here alone.
 */
export function ownPathOf(
  sent: { readonly address: Address; readonly path: string },
  account: string,
  { same, delimiters }: Pick<Addressing, 'same' | 'delimiters'>,
): string {
  const bare = splitDetail(sent.address, delimiters)?.address;
  const names = [sent.address, bare].map((each) => canonicalOrNone(each, same));
  if (!names.includes(account) && !account.startsWith('@')) return writtenPath(account);
  return sent.address.domain === '' ? `${sent.path}@${same.defaultDomain}` : sent.path;
}

/** RFC 5321 §4.1.2: what is no dot-string is quoted. */
function writtenPath(account: string): string {
  const { local, domain } = partsOf(account);
  const isPlain = /^[^\s"\\@()<>,;:[\]]+$/.test(local);
  return `${isPlain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`}@${domain}`;
}
