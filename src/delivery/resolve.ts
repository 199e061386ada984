/**
 * Address -> account: who gets the mail and where it goes. An address exists if the recipient
 * source has it, or has the address without its detail (`user+list` -> `user`).
 */
import { type Address, canonicalAddress, type SameAddress, withoutDetail } from '../core/address.ts';
import { type Refusal, refusal } from '../core/outcome.ts';
import { mailboxPath } from '../maildir/template.ts';
import type { Recipient, RecipientSource } from '../recipients/source.ts';

/** A recipient and where its mail goes. */
export interface Account extends Recipient {
  /** Path of its Maildir. */
  readonly mailbox: string;
}

export interface ResolveParts {
  readonly recipients: RecipientSource;
  readonly same: SameAddress;
  readonly delimiter: string;
  /** Maildir path with `{local}` and `{domain}`. */
  readonly maildir: string;
}

/** Returns the account, or why there is none. Throws if the source could not be asked: that is not "unknown". */
export async function resolve(address: Address, parts: ResolveParts): Promise<Account | Refusal> {
  for (const candidate of [address, withoutDetail(address, parts.delimiter)]) {
    const canonical = candidate && canonicalAddress(candidate, parts.same);
    if (canonical === undefined) continue;
    const recipient = await parts.recipients.find(canonical);
    if (recipient !== undefined)
      return { ...recipient, mailbox: mailboxPath(parts.maildir, recipient.address) };
  }
  return refusal('unknownRecipient');
}
