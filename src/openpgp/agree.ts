/**
 * Agrees on what the keys of one recipient can all read: the SEIPD version and its algorithms, from the
 * preferences in their self-signatures (RFC 9580 §5.2.3.14, §5.2.3.15, §5.2.3.32).
 */
import { AEAD_NAME, AES_BYTES, isAead, isAes } from './algorithms.ts';
import type { Encryption } from './message.ts';

export interface Preferences {
  readonly readsSeipd2: boolean;
  /** Symmetric algorithm IDs for SEIPD v1, most wanted first. */
  readonly symmetric: readonly number[];
  /** `[symmetric, aead]` IDs for SEIPD v2, most wanted first. */
  readonly suites: readonly (readonly number[])[];
}

// what every key has to read, whatever it lists (RFC 9580 §9.3, §9.6)
const MANDATORY_CIPHER = 7;
const MANDATORY_AEAD = 2;

/**
 * Returns SEIPD v2 only if all keys announce it, and an algorithm only if all list it; else the algorithm
 * that each of them must have: AES-128, with OCB for v2.
 */
export function agreeOnEncryption(all: readonly Preferences[]): Encryption {
  return all.every((each) => each.readsSeipd2) ? agreeOnSuite(all) : agreeOnCipher(all);
}

function agreeOnSuite(all: readonly Preferences[]): Encryption {
  for (const [cipher = 0, aead = 0] of all[0]?.suites ?? []) {
    if (!isAes(cipher) || !isAead(aead)) continue;
    if (all.every(({ suites }) => suites.some(([c, a]) => c === cipher && a === aead)))
      return { version: 2, keyBytes: AES_BYTES[cipher], aead: AEAD_NAME[aead] };
  }
  return { version: 2, keyBytes: AES_BYTES[MANDATORY_CIPHER], aead: AEAD_NAME[MANDATORY_AEAD] };
}

function agreeOnCipher(all: readonly Preferences[]): Encryption {
  for (const cipher of all[0]?.symmetric ?? []) {
    if (isAes(cipher) && all.every(({ symmetric }) => symmetric.includes(cipher)))
      return { version: 1, keyBytes: AES_BYTES[cipher] };
  }
  return { version: 1, keyBytes: AES_BYTES[MANDATORY_CIPHER] };
}
