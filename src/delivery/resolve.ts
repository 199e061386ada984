/**
 * Address -> recipient: who gets the mail. An address exists if the recipient source has it, or has the
 * address without its detail (`user+list` -> `user`), or has `@domain`, which takes what nobody else does.
 */
import {
  type Address,
  canonicalAddress,
  catchAllOf,
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

/**
 * Returns the recipient, or why there is none. Throws if the source could not be asked: that is not
 * "unknown".
 */
export async function resolve(address: Address, parts: Addressing): Promise<Recipient | Refusal> {
  const { recipients, same, delimiters } = parts;
  const candidates = [
    canonicalAddress(address, same),
    canonicalOrNone(splitDetail(address, delimiters)?.address, same),
    catchAllOf(address.domain, same),
  ];
  for (const candidate of candidates) {
    const recipient = candidate === undefined ? undefined : await recipients.find(candidate);
    if (recipient !== undefined) return recipient;
  }
  return refusal('unknownRecipient');
}

function canonicalOrNone(address: Address | undefined, same: SameAddress): string | undefined {
  return address && canonicalAddress(address, same);
}
