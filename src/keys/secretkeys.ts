/**
 * What the library does with a private key, once it is read (secretfile.ts): unlock it, open a session-key
 * packet, make a new pair. Only commands that run where the secret key is may import this file (`open`,
 * `key generate`, `demo`). Nothing that the server imports may, since the server never has a private key.
 */
import type * as openpgp from 'openpgp';
import { library } from './library.ts';
import type { SessionKey } from './opening.ts';
import type { SecretPacket } from './secretfile.ts';

export async function unlock(key: SecretPacket, passphrase: string): Promise<boolean> {
  try {
    await key.decrypt(passphrase);
    await key.validate(); // whoever could write to the file may have changed the numbers that are not locked
    return true;
  } catch {
    return false;
  }
}

/** What the library has in a session-key packet besides what its types tell (openpgp 6.3.2). */
interface SessionKeyPacket {
  readonly sessionKey: Uint8Array;
  readonly sessionKeyAlgorithm: openpgp.enums.symmetric | null;
  read(body: Uint8Array): void;
  decrypt(key: unknown): Promise<void>;
}

/**
 * Opens a session-key packet by the library. Resolves to undefined if it is not for this key. What of it is
 * done natively is in the room `opening`.
 */
export async function openByLibrary(body: Uint8Array, key: SecretPacket): Promise<SessionKey | undefined> {
  const packet = new library.PublicKeyEncryptedSessionKeyPacket() as unknown as SessionKeyPacket;
  try {
    packet.read(body);
    await packet.decrypt(key);
  } catch {
    return undefined;
  }
  return { cipher: packet.sessionKeyAlgorithm ?? undefined, key: packet.sessionKey };
}

/** What a new key says of its owner, and how its secret part is locked. */
export interface NewKey {
  readonly email: string;
  readonly name?: string | undefined;
  /** Left out: the secret part is not locked. */
  readonly passphrase?: string | undefined;
  /** In seconds; 0 or left out: it never ends. */
  readonly lifetime?: number;
  readonly madeAt?: Date;
}

/** Armored; `revocation` is the certificate that its owner publishes if the secret part is lost. */
export interface KeyPair {
  readonly certificate: string;
  readonly secretKey: string;
  readonly revocation: string;
}

/** How often the passphrase is hashed, as RFC 9580 §3.7.1.3 codes it: 33 million octets. */
const S2K_COUNT = 0xf0;

/** Iterated S2K locks a secret key: gpg 2.2, sq 0.27 and rnp 0.16 refuse Argon2. */
export const ITERATED_S2K = {
  aeadProtect: false,
  s2kType: library.enums.s2k.iterated as openpgp.enums.s2k.iterated,
  s2kIterationCountByte: S2K_COUNT,
};

/**
 * Makes a key pair: Ed25519 and X25519 in the form that every client reads (v4). Throws if no user ID can
 * have the address.
 */
export async function generateKeyPair(owner: NewKey): Promise<KeyPair> {
  const { email, name, passphrase, lifetime = 0, madeAt } = owner;
  const pair = await library.generateKey({
    type: 'ecc',
    userIDs: [name === undefined ? { email } : { name, email }],
    format: 'armored',
    keyExpirationTime: lifetime,
    config: { v6Keys: false, ...ITERATED_S2K },
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(madeAt === undefined ? {} : { date: madeAt }),
  });
  const { publicKey, privateKey, revocationCertificate } = pair;
  return { certificate: publicKey, secretKey: privateKey, revocation: revocationCertificate };
}
