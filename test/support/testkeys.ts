// Makes key pairs for a test, so that it does not depend on keys from elsewhere, and reads what was sealed to
// them.

import * as openpgp from 'openpgp';

export interface TestKey {
  /** Armored. */
  readonly certificate: string;
  /** Armored, without a passphrase. */
  readonly secretKey: string;
}

export interface TestKeyOptions {
  /** 4: Ed25519Legacy and Curve25519Legacy, as gpg and Thunderbird make them. 6: RFC 9580. */
  readonly version?: 4 | 6;
  /** Lifetime in seconds from `date`. */
  readonly expiresAfter?: number;
  readonly date?: Date;
}

export async function makeKey(address: string, options: TestKeyOptions = {}): Promise<TestKey> {
  const isV6 = options.version === 6;
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: isV6 ? 'curve25519' : 'ecc',
    userIDs: [{ email: address }],
    format: 'armored',
    ...(options.expiresAfter === undefined ? {} : { keyExpirationTime: options.expiresAfter }),
    ...(options.date === undefined ? {} : { date: options.date }),
    config: { v6Keys: isV6, aeadProtect: isV6 },
  });
  return { certificate: publicKey, secretKey: privateKey };
}

/** Resolves to a secret key, armored, which its owner has revoked. */
export async function revokedKey(address: string): Promise<string> {
  const key = await openpgp.readPrivateKey({ armoredKey: (await makeKey(address)).secretKey });
  return (await openpgp.revokeKey({ key, format: 'armored' })).privateKey;
}

/** Resolves to what the holder of the key reads: a stored message, decrypted with openpgp.js. */
export async function readSealed(stored: Buffer, { secretKey }: TestKey): Promise<Buffer> {
  const [armor] =
    /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(stored.toString('latin1')) ?? [];
  if (armor === undefined) throw new Error('no armor in the stored message');
  const message = await openpgp.readMessage({ armoredMessage: armor });
  const decryptionKeys = await openpgp.readPrivateKey({ armoredKey: secretKey });
  const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary' });
  return Buffer.from(data as Uint8Array);
}
