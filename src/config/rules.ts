/** What the settings say about addresses, for all who have to agree on it. */
import type { SameAddress } from '../core/address.ts';
import type { Settings } from './settings.ts';

/** Which addresses are the same recipient. */
export function addressRules({ recipients, hostname }: Settings): SameAddress {
  return { localCase: recipients.case, defaultDomain: hostname };
}
