/**
 * In a web key directory a name tells of the local part alone, and of that only a hash: whose a certificate
 * is, its user IDs say (draft-koch-openpgp-webkey-service §3.1). Others that come with it are left out.
 */
import type { SameAddress } from '../core/address.ts';
import type { Certificate } from './certificates.ts';
import { addressOfUserId } from './names.ts';

/** Returns the certificates with a user ID for a canonical address. */
export function ownedBy(
  address: string,
  certificates: readonly Certificate[],
  same: SameAddress,
): Certificate[] {
  return certificates.filter(({ userIds }) => userIds.some((id) => addressOfUserId(id, same) === address));
}
