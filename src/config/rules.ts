/**
 * The settings about addresses in the form that core/address.ts takes, so that all rooms use the same rules.
 */
import type { SameAddress } from '../core/address.ts';
import type { Settings } from './settings.ts';

/** Returns the rules by which two addresses are the same recipient. */
export function addressRules({ recipients, hostname }: Settings): SameAddress {
  return { localCase: recipients.case, defaultDomain: hostname };
}
