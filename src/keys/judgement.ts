/**
 * Judges which keys of a certificate a message may be encrypted to at a given time: valid, neither revoked
 * nor expired, strong enough, and meant for the encryption of communication or storage. Each of these
 * decisions is the library's. A judgement is kept with its certificate until one of the keys ends.
 */
import type * as openpgp from 'openpgp';
import type { Preferences } from '../openpgp/agree.ts';
import { type SessionKeyEncryptor, sessionKeyEncryptor } from '../openpgp/pkesk.ts';
import type { Certificate, Judged, Unfit, UsableCertificate } from './certificates.ts';
import { type KeyPacket, recipientKeyOf } from './material.ts';

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

/** Returns the keys that may be encrypted to at `now`, or the reason why none may be. */
export async function judgeCertificate(
  certificate: Certificate,
  now: Date,
  subkeys: 'all' | 'newest',
): Promise<UsableCertificate | Unfit> {
  const { judged } = certificate;
  const at = now.getTime();
  if (judged?.subkeys === subkeys && judged.from <= at && at < judged.until) return judged.result;
  const result = judge(certificate, now, subkeys).catch((error: unknown) => ({
    reason: error instanceof Error ? error.message : String(error),
  }));
  // kept before it is known, so that sessions that ask at the same time share one judgement
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
