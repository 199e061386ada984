/**
 * Address -> recipient: who gets the mail. An address exists if the recipient
 * source has it, or has the address without its detail (`user+list` -> `user`).
 */
import { type Address, canonicalAddress, type SameAddress, withoutDetail } from '../core/address.ts';
import { type Refusal, refusal } from '../core/outcome.ts';
import type { Recipient, RecipientSource } from '../recipients/source.ts';

export interface Addressing {
  readonly recipients: RecipientSource;
  readonly same: SameAddress;
  readonly delimiter: string;
}

/**
 * Returns the recipient, or why there is none. Throws if the source could not be asked: that is not
 * "unknown".
 */
export async function resolve(address: Address, parts: Addressing): Promise<Recipient | Refusal> {
  for (const candidate of [address, withoutDetail(address, parts.delimiter)]) {
    const canonical = candidate && canonicalAddress(candidate, parts.same);
    if (canonical === undefined) continue;
    const recipient = await parts.recipients.find(canonical);
    if (recipient !== undefined) return recipient;
  }
  return refusal('unknownRecipient');
}
