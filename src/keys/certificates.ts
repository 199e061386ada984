/**
 * openpgp, and the only file that knows it: reads certificates, judges which of their keys
 * may be used now, agrees on how to encrypt to all of them, and makes the session-key
 * packets. Every algorithm or validity decision about a key is the library's; the bulk
 * encryption is not (src/openpgp).
 */
import { Buffer } from 'node:buffer';
import * as openpgp from 'openpgp';
import { agreeOnEncryption, type Preferences } from '../openpgp/agree.ts';
import type { Encryption } from '../openpgp/message.ts';
import { type SessionKeyEncryptor, sessionKeyEncryptor } from '../openpgp/pkesk.ts';
import { AES_ID } from '../openpgp/seipd2.ts';
import { KeyFileError, keyBlocks } from './blocks.ts';
import { isOutsized, type KeyPacket, recipientKeyOf } from './material.ts';

/** One OpenPGP certificate (a public key with its subkeys and user IDs). */
export interface Certificate {
  /** Upper-case hex. */
  readonly fingerprint: string;
  readonly key: openpgp.PublicKey;
  /** The last judgement, good until it ends; judging again costs more than the encryption of a small message. */
  judged?: Judged;
}

/** The keys of one certificate that a session key may be encrypted to at the time it was judged. */
export interface UsableCertificate {
  readonly certificate: Certificate;
  readonly keys: readonly UsableKey[];
  readonly preferences: Preferences;
  /** Milliseconds since the epoch; from then on one of the keys is not valid any more. */
  readonly validUntil: number;
}

interface UsableKey {
  readonly id: openpgp.KeyID;
  /** Undefined for the kinds of keys that are left to the library. */
  readonly encryptor: SessionKeyEncryptor | undefined;
}

/** Why a certificate cannot be encrypted to. */
interface Unfit {
  readonly reason: string;
}

interface Judged {
  readonly subkeys: 'all' | 'newest';
  readonly from: number;
  until: number;
  readonly result: Promise<UsableCertificate | Unfit>;
}

/** The keys a copy is encrypted to, and how. */
export interface SealingKeys {
  readonly usable: readonly UsableCertificate[];
  readonly encryption: Encryption;
}

// The library has it, its type declarations do not (openpgp 6.3.2; test/keys/certificates.test.ts)
interface SelfSignature {
  readonly features: Uint8Array | null;
  readonly preferredSymmetricAlgorithms: number[] | null;
  readonly preferredCipherSuites: number[][] | null;
}
type WithSelfSignature = openpgp.PublicKey & { getPrimarySelfSignature(date: Date): Promise<SelfSignature> };

const SEIPD2_FEATURE = 0x08; // RFC 9580 §5.2.3.32
// a key that becomes valid later is seen within this time; one that ends, at its end
const JUDGED_FOR_MS = 60_000;
// of signatures in one key file, when it is judged: 2 ms each at worst
const MAX_CHECKS = 4096;
const AES_NAME = { 16: 'aes128', 24: 'aes192', 32: 'aes256' } as const;

/**
 * All certificates of a key file: binary, or any number of armored blocks with text around
 * them. Throws KeyFileError for anything else, a secret key above all.
 */
export async function parseCertificates(bytes: Uint8Array): Promise<Certificate[]> {
  const keys = (await Promise.all(keyBlocks(bytes).map(readBlock))).flat();
  refuseAbsurd(keys);
  const copies = keys.map((key) => {
    if (key.isPrivate())
      throw new KeyFileError('holds a SECRET key: remove it, and treat that key as exposed');
    return { fingerprint: key.getFingerprint().toUpperCase(), key };
  });
  return uniteCertificates(copies);
}

/** Before any signature is checked. */
function refuseAbsurd(keys: readonly openpgp.Key[]): void {
  if (keys.some((key) => key.getKeys().some(({ keyPacket }) => isOutsized(keyPacket))))
    throw new KeyFileError('holds a key with numbers of an absurd size');
  if (keys.reduce((sum, key) => sum + checksOf(key), 0) > MAX_CHECKS)
    throw new KeyFileError('holds too many keys and signatures to check them all');
}

/** Checks of signatures that judging may take: each key may ask for all that the owner has made, and a bad one is checked each time. */
function checksOf(key: openpgp.Key): number {
  const signatures = key.toPacketList().filterByTag(openpgp.enums.packet.signature);
  const own = signatures.filter((each) =>
    (each as openpgp.SignaturePacket).issuerKeyID.equals(key.getKeyID()),
  );
  return key.getKeys().length * own.length;
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
): Promise<UsableCertificate | Unfit> {
  const { judged } = certificate;
  const at = now.getTime();
  if (judged?.subkeys === subkeys && judged.from <= at && at < judged.until) return judged.result;
  const result = judge(certificate, now, subkeys).catch((error: unknown) => ({ reason: messageOf(error) }));
  // kept from the start, so that many who ask at one time share one answer
  const judging: Judged = { subkeys, from: at, until: at + JUDGED_FOR_MS, result };
  certificate.judged = judging;
  const found = await result;
  if ('keys' in found) judging.until = Math.min(judging.until, found.validUntil);
  return found;
}

async function judge(
  certificate: Certificate,
  now: Date,
  subkeys: 'all' | 'newest',
): Promise<UsableCertificate> {
  const { key } = certificate;
  const newest = await key.getEncryptionKey(undefined, now);
  const self = await (key as WithSelfSignature).getPrimarySelfSignature(now);
  const chosen = subkeys === 'newest' ? [newest] : await allValid(key, now);
  const ends = [
    await key.getExpirationTime(),
    ...(await Promise.all(chosen.map((each) => each.getExpirationTime(now)))),
  ];
  return {
    certificate,
    keys: chosen.map((each) => ({ id: each.getKeyID(), encryptor: encryptorOf(each.keyPacket) })),
    preferences: preferencesOf(self),
    validUntil: Math.min(
      ...ends.map((end) => (end instanceof Date ? end.getTime() : Number.POSITIVE_INFINITY)),
    ),
  };
}

async function allValid(key: openpgp.PublicKey, now: Date): Promise<(openpgp.PublicKey | openpgp.Subkey)[]> {
  const ids = new Map(key.getKeys().map((each) => [each.getKeyID().toHex(), each.getKeyID()]));
  const judged = await Promise.all(
    [...ids.values()].map((id) =>
      key.getEncryptionKey(id, now).catch(
        () => undefined, // not for encryption, or no longer valid: the others decide
      ),
    ),
  );
  return judged.filter((each) => each !== undefined);
}

function encryptorOf(packet: KeyPacket): SessionKeyEncryptor | undefined {
  const material = recipientKeyOf(packet);
  return material && sessionKeyEncryptor(material);
}

function preferencesOf(self: SelfSignature): Preferences {
  return {
    readsSeipd2: ((self.features?.[0] ?? 0) & SEIPD2_FEATURE) !== 0,
    symmetric: self.preferredSymmetricAlgorithms ?? [],
    suites: self.preferredCipherSuites ?? [],
  };
}

/** The keys of one copy and what they can all read. */
export function sealingKeysOf(usable: readonly UsableCertificate[]): SealingKeys {
  return { usable, encryption: agreeOnEncryption(usable.map((each) => each.preferences)) };
}

/** PKESK packets, v3 before SEIPD v1 and v6 before v2 (RFC 9580 §10.3.2.1). Throws when a key is no longer valid at `now`. */
export async function sessionKeyPackets(
  { usable, encryption }: SealingKeys,
  sessionKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  const packets: Uint8Array[] = [];
  for (const { certificate, keys, validUntil } of usable) {
    if (now.getTime() >= validUntil) throw new Error('a key has expired since it was chosen');
    for (const { id, encryptor } of keys) {
      const cipher = AES_ID[encryption.keyBytes] ?? 0;
      const packetVersion = encryption.version === 1 ? 3 : 6;
      packets.push(
        encryptor?.({ packetVersion, cipher, key: sessionKey }) ??
          (await libraryPacket(certificate.key, id, encryption, sessionKey, now)),
      );
    }
  }
  if (packets.length === 0) throw new Error('no key to encrypt to');
  return Buffer.concat(packets);
}

function libraryPacket(
  key: openpgp.PublicKey,
  id: openpgp.KeyID,
  encryption: Encryption,
  sessionKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  return openpgp.encryptSessionKey({
    data: sessionKey,
    algorithm: AES_NAME[encryption.keyBytes],
    ...(encryption.version === 2 ? { aeadAlgorithm: encryption.aead } : {}),
    encryptionKeys: key,
    encryptionKeyIDs: [id],
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
