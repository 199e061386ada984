/**
 * The secret keys of a file, all unlocked at once: for messages that are sealed anew, when nobody is there to
 * ask in the middle. Only commands that run where the secret key is may import this file.
 */
import { PUBLIC_KEY } from '../openpgp/algorithms.ts';
import type { SecretKeys, SecretPacket } from './secretfile.ts';
import { unlock } from './secretkeys.ts';

/** Unlocks what is locked, as far as the passphrase does that. Tells whether a key is open then. */
export async function unlockAll(
  { packets }: SecretKeys,
  passphrase: () => Promise<string | undefined>,
): Promise<boolean> {
  const closed = packets.filter((key) => !key.isDecrypted() && !key.isMissingSecretKeyMaterial());
  const secret = closed.length === 0 ? undefined : await passphrase();
  if (secret !== undefined) for (const key of closed) await unlock(key, secret);
  return packets.some((key) => key.isDecrypted());
}

/** Those that can only sign. */
const SIGNING: readonly number[] = [
  PUBLIC_KEY.rsaSignOnly,
  PUBLIC_KEY.dsa,
  PUBLIC_KEY.ecdsa,
  PUBLIC_KEY.eddsaLegacy,
  PUBLIC_KEY.ed25519,
  PUBLIC_KEY.ed448,
];

/** Returns the ids, in upper-case hex, of the keys that a message may be sealed to. */
export function keyIdsOf({ packets }: SecretKeys): ReadonlySet<string> {
  const fit = packets.filter((key) => !canOnlySign(key));
  return new Set(fit.map((key) => key.getKeyID().toHex().toUpperCase()));
}

/** Tells whether no message can be sealed to a key, whatever its owner says of it. */
export function canOnlySign({ algorithm }: Pick<SecretPacket, 'algorithm'>): boolean {
  return SIGNING.includes(algorithm);
}
