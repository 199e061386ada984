/**
 * Reads a key file: its bytes -> the OpenPGP certificates in it, one for each fingerprint. Refuses a file
 * that holds a secret key, or keys whose numbers or signatures would take absurdly long to check. Says
 * nothing of whether a certificate can be used: that depends on the time (judgement.ts).
 */
import * as openpgp from 'openpgp';
import type { Preferences } from '../openpgp/agree.ts';
import type { SessionKeyEncryptor } from '../openpgp/pkesk.ts';
import { KeyFileError, keyBlocks } from './blocks.ts';
import { isOutsized } from './material.ts';

/** One OpenPGP certificate (a public key with its subkeys and user IDs). */
export interface Certificate {
  /** Upper-case hex. */
  readonly fingerprint: string;
  readonly key: openpgp.PublicKey;
  /** The last judgement. Kept because judging again costs more than encrypting a small message. */
  judged?: Judged;
}

/** A judgement and the times between which it counts, in milliseconds since the epoch. */
export interface Judged {
  readonly subkeys: 'all' | 'newest';
  readonly from: number;
  until: number;
  readonly result: Promise<UsableCertificate | Unfit>;
}

/** The keys of one certificate that a session key may be encrypted to at the time it was judged. */
export interface UsableCertificate {
  readonly certificate: Certificate;
  readonly keys: readonly UsableKey[];
  readonly preferences: Preferences;
  /** Milliseconds since the epoch; from then on one of the keys is no longer valid. */
  readonly validUntil: number;
}

export interface UsableKey {
  readonly id: openpgp.KeyID;
  /** Undefined for the kinds of keys that are left to the library. */
  readonly encryptor: SessionKeyEncryptor | undefined;
}

/** Why a certificate cannot be encrypted to. */
export interface Unfit {
  readonly reason: string;
}

// checks of signatures that one key file may cost when it is judged: 2 ms each at worst
const MAX_CHECKS = 4096;

/**
 * Returns all certificates of a key file, which is binary or holds any number of armored blocks with text
 * around them. Throws KeyFileError for anything else, a secret key above all.
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

/** Throws before any signature is checked. */
function refuseAbsurd(keys: readonly openpgp.Key[]): void {
  if (keys.some((key) => key.getKeys().some(({ keyPacket }) => isOutsized(keyPacket))))
    throw new KeyFileError('holds a key with numbers of an absurd size');
  if (keys.reduce((sum, key) => sum + checksOf(key), 0) > MAX_CHECKS)
    throw new KeyFileError('holds too many keys and signatures to check them all');
}

/**
 * Returns how many signatures judging may have to check. Each key may need all those that the certificate's
 * owner made, and a bad one is checked each time.
 */
function checksOf(key: openpgp.Key): number {
  const signatures = key.toPacketList().filterByTag(openpgp.enums.packet.signature);
  const own = signatures.filter((each) =>
    (each as openpgp.SignaturePacket).issuerKeyID.equals(key.getKeyID()),
  );
  return key.getKeys().length * own.length;
}

/**
 * Returns one certificate for each fingerprint, with the signatures of all its copies, so that an old copy
 * never undoes a revocation.
 */
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
    throw new KeyFileError(
      `is not a readable OpenPGP key: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/**
 * Returns what an operator wants to know of a certificate. `expiresAt` is undefined if it never ends, and if
 * it is invalid already.
 */
export async function describeCertificate(
  { fingerprint, key }: Certificate,
  now: Date,
): Promise<{ fingerprint: string; userIds: string[]; expiresAt: Date | undefined }> {
  const expiry = await key.getExpirationTime();
  const expiresAt = expiry instanceof Date && expiry > now ? expiry : undefined;
  return { fingerprint, userIds: key.getUserIDs(), expiresAt };
}
