// Certificates of the kinds a bench compares, made on the spot by openpgp.js.

import * as openpgp from 'openpgp';

export type KeyKind = keyof typeof KINDS;

const V2 = { aeadProtect: true };
const GCM = { ...V2, preferredAEADAlgorithm: openpgp.enums.aead.gcm };
const OCB = { ...V2, preferredAEADAlgorithm: openpgp.enums.aead.ocb };

const KINDS = {
  'cv25519, v1': { type: 'ecc', curve: 'curve25519Legacy' },
  'rsa2048, v1': { type: 'rsa', rsaBits: 2048 },
  'nistp256, v1': { type: 'ecc', curve: 'nistP256' },
  'cv25519, v2 OCB': { type: 'ecc', curve: 'curve25519Legacy', config: OCB },
  'cv25519, v2 GCM': { type: 'ecc', curve: 'curve25519Legacy', config: GCM },
  'x25519 v6 key, v2 OCB': { type: 'curve25519', config: { ...OCB, v6Keys: true } },
} as const satisfies Record<string, object>;

export const BASE_KEY: KeyKind = 'cv25519, v1';
export const OTHER_KEYS = Object.keys(KINDS).filter((kind) => kind !== BASE_KEY) as KeyKind[];

/** Makes a certificate, armored. */
export async function makeCertificate(kind: KeyKind): Promise<string> {
  const { publicKey } = await openpgp.generateKey({
    ...KINDS[kind],
    userIDs: [{ email: 'bench@example.com' }],
    format: 'armored',
  });
  return publicKey;
}
