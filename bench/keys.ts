// Certificates of the kinds a bench compares, made on the spot by openpgp.js.

import * as openpgp from 'openpgp';

export type KeyKind = keyof typeof KINDS;

const V2 = { aeadProtect: true };
const GCM = { ...V2, preferredAEADAlgorithm: openpgp.enums.aead.gcm };
const OCB = { ...V2, preferredAEADAlgorithm: openpgp.enums.aead.ocb };

const KINDS = {
  'cv25519, v1': { type: 'ecc', curve: 'curve25519Legacy' },
  'rsa2048, v1': { type: 'rsa', rsaBits: 2048 },
  'rsa4096, v1': { type: 'rsa', rsaBits: 4096 },
  'nistp256, v1': { type: 'ecc', curve: 'nistP256' },
  'cv25519, v2 OCB': { type: 'ecc', curve: 'curve25519Legacy', config: OCB },
  'cv25519, v2 GCM': { type: 'ecc', curve: 'curve25519Legacy', config: GCM },
  'x25519 v6 key, v2 OCB': { type: 'curve25519', config: { ...OCB, v6Keys: true } },
} as const satisfies Record<string, object>;

export const BASE_KEY: KeyKind = 'cv25519, v1';
/** Other kinds, but for one that is as cheap to encrypt to as a shorter one. */
export const OTHER_KEYS = (Object.keys(KINDS) as KeyKind[]).filter(
  (kind) => kind !== BASE_KEY && kind !== 'rsa4096, v1',
);

/** Makes a certificate, armored. */
export async function makeCertificate(kind: KeyKind): Promise<string> {
  return (await makePair(kind)).publicKey;
}

/** Makes a certificate and its secret key, armored. */
export async function makePair(kind: KeyKind): Promise<{ publicKey: string; privateKey: string }> {
  return openpgp.generateKey({
    ...KINDS[kind],
    userIDs: [{ email: 'bench@example.com' }],
    format: 'armored',
  });
}
