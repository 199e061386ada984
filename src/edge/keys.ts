/**
 * openpgp, and the only file that knows it: reads certificates, judges which of their keys
 * may be used now, agrees on how to encrypt to all of them, and makes the session-key
 * packets. Every algorithm or validity decision about a key is the library's; the bulk
 * encryption is not (src/openpgp).
 */
import { Buffer } from 'node:buffer';
import * as openpgp from 'openpgp';
import type { Encryption } from '../openpgp/message.ts';

/** One OpenPGP certificate (a public key with its subkeys and user IDs). */
export interface Certificate {
  /** Upper-case hex. */
  readonly fingerprint: string;
  readonly key: openpgp.PublicKey;
}

/** The keys of one certificate that a session key may be encrypted to at the time it was judged. */
export interface UsableCertificate {
  readonly certificate: Certificate;
  readonly keyIds: openpgp.KeyID[];
  readonly preferences: Preferences;
}

/** The keys a copy is encrypted to, and how. */
export interface SealingKeys {
  readonly usable: readonly UsableCertificate[];
  readonly encryption: Encryption;
}

interface Preferences {
  readonly readsSeipd2: boolean;
  /** Symmetric algorithm IDs of SEIPD v1, most wanted first. */
  readonly symmetric: readonly number[];
  /** `[symmetric, aead]` IDs of SEIPD v2. */
  readonly suites: readonly (readonly number[])[];
}

/** A key file that cannot be used, with a reason for the log and for `check`; never sent to a client. */
export class KeyFileError extends Error {}

// The library has it, its type declarations do not (openpgp 6.3.2; test/edge/keys.test.ts)
interface SelfSignature {
  readonly features: Uint8Array | null;
  readonly preferredSymmetricAlgorithms: number[] | null;
  readonly preferredCipherSuites: number[][] | null;
}
type WithSelfSignature = openpgp.PublicKey & { getPrimarySelfSignature(date: Date): Promise<SelfSignature> };

const SEIPD2_FEATURE = 0x08; // RFC 9580 §5.2.3.32
const AES_BYTES = { 7: 16, 8: 24, 9: 32 } as const;
const AEAD = { 2: 'ocb', 3: 'gcm' } as const;
const AES_NAME = { 16: 'aes128', 24: 'aes192', 32: 'aes256' } as const;

/**
 * All certificates of a key file: binary, or any number of armored blocks with text around
 * them. Throws KeyFileError for anything else, a secret key above all.
 */
export async function parseCertificates(bytes: Uint8Array): Promise<Certificate[]> {
  const keys = (await Promise.all(keyBlocks(bytes).map(readBlock))).flat();
  const copies = keys.map((key) => {
    if (key.isPrivate())
      throw new KeyFileError('holds a SECRET key: remove it, and treat that key as exposed');
    return { fingerprint: key.getFingerprint().toUpperCase(), key };
  });
  return uniteCertificates(copies);
}

/** One certificate for each fingerprint, with the signatures of all its copies: an old copy never undoes a revocation. */
export async function uniteCertificates(copies: readonly Certificate[]): Promise<Certificate[]> {
  const united = new Map<string, Certificate>();
  for (const copy of copies) {
    const { fingerprint, key } = copy;
    const known = united.get(fingerprint);
    united.set(fingerprint, known === undefined ? copy : { fingerprint, key: await known.key.update(key) });
  }
  return [...united.values()];
}

function keyBlocks(bytes: Uint8Array): (string | Uint8Array)[] {
  if (bytes.length === 0) throw new KeyFileError('is empty');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  // RFC 9580 §4.2: bit 7 of a packet header is always set; text in front of an armor may begin like that too
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0 && !text.includes('-----BEGIN PGP ');
  if (isBinary) return [bytes];
  if (/-----BEGIN PGP PRIVATE KEY BLOCK-----/.test(text)) {
    throw new KeyFileError('holds a SECRET key: remove it, and treat that key as exposed');
  }
  const blocks =
    text.match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g) ?? [];
  const begun = text.split('-----BEGIN PGP PUBLIC KEY BLOCK-----').length - 1;
  if (begun === 0) throw new KeyFileError('holds no OpenPGP public key');
  if (blocks.length < begun) throw new KeyFileError('ends in the middle of an armored key (truncated?)');
  return blocks;
}

async function readBlock(block: string | Uint8Array): Promise<openpgp.Key[]> {
  try {
    return typeof block === 'string'
      ? await openpgp.readKeys({ armoredKeys: block })
      : await openpgp.readKeys({ binaryKeys: block });
  } catch (error) {
    throw new KeyFileError(`is not a readable OpenPGP key: ${messageOf(error)}`);
  }
}

/**
 * Which keys of a certificate may be encrypted to at `now`: valid, not revoked, not expired,
 * strong enough, meant for encryption of communication or storage. `reason` says why none is.
 */
export async function judgeCertificate(
  certificate: Certificate,
  now: Date,
  subkeys: 'all' | 'newest',
): Promise<UsableCertificate | { readonly reason: string }> {
  const { key } = certificate;
  try {
    const newest = await key.getEncryptionKey(undefined, now);
    const self = await (key as WithSelfSignature).getPrimarySelfSignature(now);
    const keyIds = subkeys === 'newest' ? [newest.getKeyID()] : await allValid(key, now);
    return { certificate, keyIds, preferences: preferencesOf(self) };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

async function allValid(key: openpgp.PublicKey, now: Date): Promise<openpgp.KeyID[]> {
  const judged = await Promise.all(
    key.getKeys().map((each) => {
      const id = each.getKeyID();
      return key.getEncryptionKey(id, now).then(
        () => id,
        () => undefined, // not for encryption, or no longer valid: the others decide
      );
    }),
  );
  return judged.filter((id) => id !== undefined);
}

function preferencesOf(self: SelfSignature): Preferences {
  return {
    readsSeipd2: ((self.features?.[0] ?? 0) & SEIPD2_FEATURE) !== 0,
    symmetric: self.preferredSymmetricAlgorithms ?? [],
    suites: self.preferredCipherSuites ?? [],
  };
}

/**
 * How to encrypt so that every one of `usable` can read it. SEIPD v2 only if all announce it;
 * an algorithm only if all list it, else the one each must have: AES-128, with OCB for v2
 * (RFC 9580 §5.2.3.14, §5.2.3.15).
 */
export function agreeOnEncryption(usable: readonly UsableCertificate[]): Encryption {
  const all = usable.map((each) => each.preferences);
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

/** PKESK packets, v3 before SEIPD v1 and v6 before v2 (RFC 9580 §10.3.2.1). Throws when a key is no longer valid at `now`. */
export async function sessionKeyPackets(
  { usable, encryption }: SealingKeys,
  sessionKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  const targets = usable.flatMap(({ certificate, keyIds }) =>
    keyIds.map((id) => ({ key: certificate.key, id })),
  );
  if (targets.length === 0) throw new Error('no key to encrypt to');
  return openpgp.encryptSessionKey({
    data: sessionKey,
    algorithm: AES_NAME[encryption.keyBytes],
    ...(encryption.version === 2 ? { aeadAlgorithm: encryption.aead } : {}),
    encryptionKeys: targets.map(({ key }) => key),
    encryptionKeyIDs: targets.map(({ id }) => id),
    date: now,
    format: 'binary',
  });
}

/** What an operator wants to know of a certificate. `expiresAt`: undefined for never, or when it is invalid anyway. */
export async function describeCertificate(
  { fingerprint, key }: Certificate,
  now: Date,
): Promise<{ fingerprint: string; userIds: string[]; expiresAt: Date | undefined }> {
  const expiry = await key.getExpirationTime();
  const expiresAt = expiry instanceof Date && expiry > now ? expiry : undefined;
  return { fingerprint, userIds: key.getUserIDs(), expiresAt };
}

/** Reads secret keys from a file, unlocked. Throws with a sentence for the terminal. */
export async function readSecretKeys(
  bytes: Uint8Array,
  passphrase: string | undefined,
): Promise<openpgp.PrivateKey[]> {
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0;
  const keys = isBinary
    ? await openpgp.readPrivateKeys({ binaryKeys: bytes })
    : await openpgp.readPrivateKeys({ armoredKeys: Buffer.from(bytes).toString('latin1') });
  return Promise.all(
    keys.map((privateKey) => {
      if (privateKey.isDecrypted()) return privateKey;
      if (passphrase === undefined) throw new Error('the secret key is locked: give --passphrase-file');
      return openpgp.decryptKey({ privateKey, passphrase });
    }),
  );
}

/** Decrypts an armored message. Nothing is returned before its integrity is verified. */
export async function decryptArmored(
  armored: string,
  decryptionKeys: openpgp.PrivateKey[],
): Promise<Uint8Array> {
  const message = await openpgp.readMessage({ armoredMessage: armored });
  const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary' });
  return data as Uint8Array;
}

/** A new key pair for `email`, armored: Ed25519 and X25519 in the form every client reads (v4). */
export async function generateKeyPair(email: string): Promise<{ certificate: string; secretKey: string }> {
  const pair = await openpgp.generateKey({ type: 'ecc', userIDs: [{ email }], format: 'armored' });
  return { certificate: pair.publicKey, secretKey: pair.privateKey };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
