/**
 * What the keys of one recipient can all read: SEIPD version and algorithms, from the
 * preferences in their self-signatures (RFC 9580 §5.2.3.14, §5.2.3.15, §5.2.3.32).
 */
import type { Encryption } from './message.ts';

export interface Preferences {
  readonly readsSeipd2: boolean;
  /** Symmetric algorithm IDs of SEIPD v1, most wanted first. */
  readonly symmetric: readonly number[];
  /** `[symmetric, aead]` IDs of SEIPD v2. */
  readonly suites: readonly (readonly number[])[];
}

const AES_BYTES = { 7: 16, 8: 24, 9: 32 } as const;
const AEAD = { 2: 'ocb', 3: 'gcm' } as const;

/**
 * SEIPD v2 only if all announce it; an algorithm only if all list it, else the one that each
 * must have: AES-128, with OCB for v2.
 */
export function agreeOnEncryption(all: readonly Preferences[]): Encryption {
  if (all.every((each) => each.readsSeipd2)) {
    const suite = all[0]?.suites.find(
      ([cipher = 0, aead = 0]) =>
        cipher in AES_BYTES &&
        aead in AEAD &&
        all.every((each) => each.suites.some(([c, a]) => c === cipher && a === aead)),
    );
    const [cipher, aead] = (suite ?? [7, 2]) as [keyof typeof AES_BYTES, keyof typeof AEAD];
    return { version: 2, keyBytes: AES_BYTES[cipher], aead: AEAD[aead] };
  }
  const cipher = all[0]?.symmetric.find(
    (id) => id in AES_BYTES && all.every((each) => each.symmetric.includes(id)),
  );
  return { version: 1, keyBytes: AES_BYTES[(cipher ?? 7) as keyof typeof AES_BYTES] };
}
