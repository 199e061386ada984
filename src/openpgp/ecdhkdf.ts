/** The key derivation of ECDH (RFC 9580 §11.5): a shared secret -> the key that wraps the session key. */
import { createHash } from 'node:crypto';
import { AES_BYTES, HASH_NAME, isAes, PUBLIC_KEY } from './algorithms.ts';

/** What stands in the packet of an ECDH key besides its point. */
export interface EcdhParameters {
  /** Length octet and OID. */
  readonly oid: Uint8Array;
  /** Hash and cipher IDs. */
  readonly kdfHash: number;
  readonly kdfCipher: number;
}

/** Derives a wrapping key from a shared secret. */
export type KeyDerivation = (shared: Uint8Array) => Buffer;

/** Returns the derivation of one key, or undefined if its algorithms are not known. */
export function keyDerivation(key: EcdhParameters, fingerprint: Uint8Array): KeyDerivation | undefined {
  const { oid, kdfHash, kdfCipher } = key;
  const hash = HASH_NAME[kdfHash];
  if (hash === undefined || !isAes(kdfCipher)) return undefined;
  const parameters = Buffer.concat([
    oid,
    Buffer.from([PUBLIC_KEY.ecdh, 3, 1, kdfHash, kdfCipher]),
    Buffer.from('Anonymous Sender    '),
    fingerprint,
  ]);
  return (shared) => {
    const digest = createHash(hash)
      .update(Buffer.from([0, 0, 0, 1]))
      .update(shared)
      .update(parameters);
    return digest.digest().subarray(0, AES_BYTES[kdfCipher]);
  };
}
