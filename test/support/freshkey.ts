// Makes keys with openpgp.js, for tests that must run without the key collection, and opens stored files as a
// mail client with the secret key would.

import * as openpgp from 'openpgp';
import { armorOf } from './openpgp-programs.ts';

export interface FreshKey {
  readonly address: string;
  /** Armored, as a user exports it. */
  readonly certificate: Buffer;
  readonly secretKey: Buffer;
  readonly secret: openpgp.PrivateKey;
}

export interface FreshKeyOptions {
  /** `v4` is read by every client, `v4-aead` announces SEIPD v2, `v6` is a key of RFC 9580. */
  kind?: 'v4' | 'v4-aead' | 'v6';
  /** An hour ago if left out, which is in the past for any clock that a test reads. */
  createdAt?: Date;
  /** Seconds of validity from its creation. If left out, the key never expires. */
  lifetimeSeconds?: number;
  /** Number of encryption subkeys; one if left out. */
  subkeys?: number;
}

export async function freshKey(address: string, options: FreshKeyOptions = {}): Promise<FreshKey> {
  const { kind = 'v4', createdAt = minutesAgo(60), lifetimeSeconds, subkeys = 1 } = options;
  const made = await openpgp.generateKey({
    ...(kind === 'v4' ? { type: 'ecc' } : { type: 'curve25519' }),
    userIDs: [{ email: address }],
    subkeys: Array.from({ length: subkeys }, () => ({})),
    date: createdAt,
    ...(lifetimeSeconds === undefined ? {} : { keyExpirationTime: lifetimeSeconds }),
    config: { v6Keys: kind === 'v6', aeadProtect: kind !== 'v4' },
    format: 'object',
  });
  return {
    address,
    certificate: Buffer.from(made.publicKey.armor()),
    secretKey: Buffer.from(made.privateKey.armor()),
    secret: made.privateKey,
  };
}

function minutesAgo(minutes: number): Date {
  return new Date(Date.now() - minutes * 60_000);
}

/** Resolves to the same certificate, revoked half an hour ago. */
export async function revoked(key: FreshKey): Promise<Buffer> {
  const { publicKey } = await openpgp.revokeKey({ key: key.secret, date: minutesAgo(30), format: 'object' });
  return Buffer.from(publicKey.armor());
}

/** Removes the armor of a certificate. */
export async function binaryOf(armored: Buffer): Promise<Buffer> {
  const key = await openpgp.readKey({ armoredKey: armored.toString() });
  return Buffer.from(key.write());
}

/** Armors a certificate as gpg --armor would. */
export async function armoredOf(binary: Buffer): Promise<Buffer> {
  return Buffer.from((await openpgp.readKey({ binaryKey: binary })).armor());
}

/** Reads the secret keys of a file. */
export async function secretKeysOf(bytes: Buffer, passphrase = ''): Promise<openpgp.PrivateKey[]> {
  const keys = await openpgp.readPrivateKeys({ armoredKeys: bytes.toString('latin1') });
  if (passphrase === '') return keys;
  return Promise.all(keys.map((privateKey) => openpgp.decryptKey({ privateKey, passphrase })));
}

export interface Opened {
  readonly plaintext: Buffer;
  readonly sessionKey: Buffer;
  /** The name in the literal packet. */
  readonly literalName: string;
}

/** Opens an armored message, or a stored PGP/MIME file with one in it. Rejects if the keys do not fit. */
export async function openSealed(sealed: Buffer, secrets: openpgp.PrivateKey[]): Promise<Opened> {
  const armoredMessage = armorOf(Buffer.concat([Buffer.from('\n'), sealed])).toString('latin1');
  const message = await openpgp.readMessage({ armoredMessage });
  const [sessionKey] = await openpgp.decryptSessionKeys({ message, decryptionKeys: secrets });
  if (sessionKey === undefined) throw new Error('no session key');
  // It has to be read once more, since decrypting has used up the packets of the first message.
  const again = await openpgp.readMessage({ armoredMessage });
  const sessionKeys = [sessionKey as openpgp.SessionKey];
  const { data, filename } = await openpgp.decrypt({ message: again, sessionKeys, format: 'binary' });
  return {
    plaintext: Buffer.from(data as Uint8Array),
    sessionKey: Buffer.from(sessionKey.data),
    literalName: filename ?? '', // null in openpgp 6.3.2 if there is none
  };
}

/** Resolves to the IDs, in upper-case hex, of the keys that a sealed message is encrypted to. */
export async function addressees(sealed: Buffer): Promise<string[]> {
  const armoredMessage = armorOf(Buffer.concat([Buffer.from('\n'), sealed])).toString('latin1');
  const message = await openpgp.readMessage({ armoredMessage });
  return message.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase());
}
