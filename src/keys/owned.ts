/**
 * In a web key directory a name tells of the local part alone, and of that only a hash: whose a certificate
 * is, its user IDs say (draft-koch-openpgp-webkey-service §3.1), those that its owner has certified and not
 * revoked. Others that come with it are left out.
 */
import type { SameAddress } from '../core/address.ts';
import type { Certificate } from './certificates.ts';
import { certifiedUserIds } from './description.ts';
import { addressOfUserId } from './names.ts';

/** Returns the certificates with a user ID that counts at a time, for a canonical address. */
export async function ownedBy(
  address: string,
  certificates: readonly Certificate[],
  same: SameAddress,
  at: number,
): Promise<Certificate[]> {
  const own: Certificate[] = [];
  for (const certificate of certificates) {
    const userIds = await certifiedUserIds(certificate, at);
    if (userIds.some((id) => addressOfUserId(id, same) === address)) own.push(certificate);
  }
  return own;
}
