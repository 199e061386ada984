/**
 * Algorithm numbers of OpenPGP (RFC 9580 §9), and what node:crypto calls those that Sealdir uses. Every
 * number stands here once. Which algorithm may be used for a message is decided elsewhere (agree.ts,
 * keys/judgement.ts).
 */

/** Public-key algorithms (§9.1). */
export const PUBLIC_KEY = {
  rsa: 1,
  rsaEncryptOnly: 2,
  rsaSignOnly: 3,
  elgamal: 16,
  dsa: 17,
  ecdh: 18,
  ecdsa: 19,
  eddsaLegacy: 22,
  x25519: 25,
  x448: 26,
  ed25519: 27,
  ed448: 28,
} as const;

/** Those whose keys Sealdir can read. */
export const KNOWN_ALGORITHMS: readonly number[] = Object.values(PUBLIC_KEY);

const PUBLIC_KEY_NAME: Readonly<Record<number, string>> = {
  1: 'RSA',
  2: 'RSA',
  3: 'RSA',
  8: 'Kyber, post-quantum of LibrePGP',
  16: 'ElGamal',
  17: 'DSA',
  18: 'ECDH',
  19: 'ECDSA',
  20: 'ElGamal for signatures, withdrawn',
  22: 'EdDSA',
  25: 'X25519',
  26: 'X448',
  27: 'Ed25519',
  28: 'Ed448',
  30: 'ML-DSA-65 with Ed25519, post-quantum',
  31: 'ML-DSA-87 with Ed448, post-quantum',
  32: 'SLH-DSA-SHAKE-128s, post-quantum',
  33: 'SLH-DSA-SHAKE-128f, post-quantum',
  34: 'SLH-DSA-SHAKE-256s, post-quantum',
  35: 'ML-KEM-768 with X25519, post-quantum',
  36: 'ML-KEM-1024 with X448, post-quantum',
};

/** Returns what people call a public-key algorithm, with its number. */
export function algorithmName(algorithm: number): string {
  const name = PUBLIC_KEY_NAME[algorithm];
  return `algorithm ${algorithm}${name === undefined ? ', unknown' : `, ${name}`}`;
}

/** AES by the length of its key in bytes (§9.3). */
export const AES_ID = { 16: 7, 24: 8, 32: 9 } as const;

/** Length of the key in bytes of each AES algorithm (§9.3). */
export const AES_BYTES = { 7: 16, 8: 24, 9: 32 } as const;

/** Length of the key in bytes of each symmetric algorithm, those of old mail included (§9.3). */
export const CIPHER_KEY_BYTES: Readonly<Record<number, number>> = {
  1: 16,
  2: 24,
  3: 16,
  4: 16,
  ...AES_BYTES,
  10: 32,
  11: 16,
  12: 24,
  13: 32,
};

/** The hash functions that a key derivation of ECDH may name (§9.5, §11.5). */
export const HASH_NAME: Readonly<Record<number, string>> = { 8: 'sha256', 9: 'sha384', 10: 'sha512' };

/** AEAD modes that node:crypto can do (§9.6). */
export const AEAD_ID = { ocb: 2, gcm: 3 } as const;
export const AEAD_NAME = { 2: 'ocb', 3: 'gcm' } as const;
export type Aead = keyof typeof AEAD_ID;

/** Returns the AES algorithm whose key has this many bytes, or undefined if there is none. */
export function aesIdOf(keyBytes: number): number | undefined {
  const ids: Readonly<Record<number, number>> = AES_ID;
  return ids[keyBytes];
}

/** Tells whether a symmetric algorithm is AES. */
export function isAes(id: number): id is keyof typeof AES_BYTES {
  return id in AES_BYTES;
}

/** Tells whether an AEAD mode is one that node:crypto can do. */
export function isAead(id: number): id is keyof typeof AEAD_NAME {
  return id in AEAD_NAME;
}
