/**
 * Makes the session-key packets of one copy: one for each key that its recipient's certificates were judged
 * to have. Does not judge the keys again, so what was accepted at RCPT cannot fail for another opinion
 * at DATA: only `validUntil` is compared with the time.
 */
import { agreeOnEncryption } from '../openpgp/agree.ts';
import { AES_ID } from '../openpgp/algorithms.ts';
import type { Encryption } from '../openpgp/message.ts';
import { MAX_SESSION_KEY_MS, MAX_SESSION_KEY_PACKETS } from './limits.ts';
import type { UsableCertificate } from './usable.ts';
import { REASONS } from './words.ts';

/** The keys a copy is encrypted to, and how. */
export interface SealingKeys {
  readonly usable: readonly UsableCertificate[];
  readonly encryption: Encryption;
}

/** Returns the keys of one copy with an encryption that all of them can read. */
export function sealingKeysOf(usable: readonly UsableCertificate[]): SealingKeys {
  return { usable, encryption: agreeOnEncryption(usable.map((each) => each.preferences)) };
}

/** Returns why all these keys together would cost every message too much, or undefined. */
export function excessOf(usable: readonly UsableCertificate[]): string | undefined {
  const keys = usable.flatMap((each) => each.keys);
  if (keys.length > MAX_SESSION_KEY_PACKETS) return REASONS.tooManyKeys(keys.length, MAX_SESSION_KEY_PACKETS);
  const cost = Math.ceil(keys.reduce((sum, each) => sum + each.cost, 0));
  return cost > MAX_SESSION_KEY_MS ? REASONS.tooExpensive(cost, MAX_SESSION_KEY_MS) : undefined;
}

/**
 * Returns PKESK packets, v3 for SEIPD v1 and v6 for v2 (RFC 9580 §10.3.2.1). Throws if one of the keys is no
 * longer valid at `now`.
 */
export async function sessionKeyPackets(
  { usable, encryption }: SealingKeys,
  sessionKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  const session = {
    packetVersion: encryption.version === 1 ? 3 : 6,
    cipher: AES_ID[encryption.keyBytes],
    key: sessionKey,
  } as const;
  if (usable.some(({ validUntil }) => now.getTime() >= validUntil))
    throw new Error('a key has expired since it was chosen');
  const keys = usable.flatMap((each) => each.keys);
  if (keys.length === 0) throw new Error('no key to encrypt to');
  return Buffer.concat(keys.map(({ encrypt }) => encrypt(session)));
}
