/**
 * Judges which keys of a certificate a message may be encrypted to at a given time: bound by their owner,
 * neither revoked nor expired, strong enough, and meant for the encryption of communication or storage. One
 * judgement at one time decides `check`, RCPT and DATA alike: a key that is usable is so until `validUntil`,
 * and can be sealed to.
 */
import type { Preferences } from '../openpgp/agree.ts';
import { AES_ID } from '../openpgp/algorithms.ts';
import { type RecipientKey, sessionKeyEncryptor } from '../openpgp/pkesk.ts';
import type { Certificate } from './certificates.ts';
import { encryptionKeysAt, isForEncryptionAt } from './encryptionkeys.ts';
import { USUAL_STRENGTH } from './limits.ts';
import { costOf, type KeyPacket, recipientKeyOf, weaknessOf } from './material.ts';
import { excessOf } from './sessionkeys.ts';
import type { Judged, Judgement, JudgingRules, Unfit, UsableCertificate, UsableKey } from './usable.ts';
import type { SelfSignature, Validity } from './validity.ts';
import { LEFT_OUT, REASONS } from './words.ts';

const SEIPD2_FEATURE = 0x08; // RFC 9580 §5.2.3.32
// a key that becomes valid later is seen within this time; one that ends, at its end
const JUDGED_FOR_MS = 60_000;

/** Returns the keys that may be encrypted to at `now`, or the reason why none may be. */
export async function judgeCertificate(
  certificate: Certificate,
  now: Date,
  rules: JudgingRules,
): Promise<Judgement> {
  const { judged } = certificate;
  const at = now.getTime();
  if (judged && areSame(judged.rules, rules) && judged.from <= at && at < judged.until) return judged.result;
  const result = judge(certificate, at, rules).catch(() =>
    unfit(certificate, REASONS.unjudged, 'certificate'),
  );
  // kept before it is known, so that sessions that ask at the same time share one judgement
  const judging: Judged = { rules, from: at, until: at + JUDGED_FOR_MS, result };
  certificate.judged = judging;
  const found = await result;
  if ('keys' in found) judging.until = Math.min(judging.until, found.validUntil);
  return found;
}

/** Compares all that rules say, so that a judgement by some is not taken for one by others. */
export function areSame(some: JudgingRules, others: JudgingRules): boolean {
  return some === others || nameOf(some) === nameOf(others);
}

function nameOf({ subkeys, unsupportedSubkeys = 'defer', strength = USUAL_STRENGTH }: JudgingRules): string {
  return `${subkeys} ${unsupportedSubkeys} ${strength.minRsaBits} ${strength.minCurveBits}`;
}

async function judge(certificate: Certificate, at: number, rules: JudgingRules): Promise<Judgement> {
  // signatures of a weak key are not checked: that may be expensive, and nothing follows from them
  const weakness = weaknessOf(certificate.primary, rules.strength ?? USUAL_STRENGTH);
  if (weakness !== undefined) return unfit(certificate, REASONS.weak(weakness), 'certificate');
  const validity = await certificate.validity();
  const choice = chooseKeys(certificate, validity, at, rules);
  if ('reason' in choice) return choice;
  return usableOf(certificate, choice, endOf(certificate, validity, choice.keys, at));
}

/** The keys of a certificate that a message is sealed to. */
export interface Choice {
  readonly keys: readonly KeyPacket[];
  readonly self: SelfSignature;
  readonly leftOut: readonly string[];
}

/** Returns the keys of a certificate whose primary key is not weak by what `validity` says of a time. */
export function chooseKeys(
  certificate: Certificate,
  validity: Validity,
  at: number,
  rules: JudgingRules,
): Choice | Unfit {
  const { facts } = validity;
  if (facts.isIncomplete) return unfit(certificate, REASONS.tooManyMisplaced, 'recipient');
  if (facts.isRevocationInDoubt) return unfit(certificate, REASONS.doubtfulRevocation, 'recipient');
  return chooseProven(certificate, validity, at, rules);
}

/**
 * Judges by what is proven alone: a revocation that may be one, and parts that were not checked, count for
 * nothing.
 */
export function judgeProven(
  certificate: Certificate,
  validity: Validity,
  at: number,
  rules: JudgingRules,
): Judgement {
  const choice = chooseProven(certificate, validity, at, rules);
  return 'reason' in choice ? choice : usableOf(certificate, choice, Number.POSITIVE_INFINITY);
}

function chooseProven(
  certificate: Certificate,
  validity: Validity,
  at: number,
  { subkeys, unsupportedSubkeys: unsupported = 'defer', strength = USUAL_STRENGTH }: JudgingRules,
): Choice | Unfit {
  const self = validity.selfSignatureAt(at);
  if (typeof self === 'string') return unfit(certificate, self, 'certificate');
  const found = encryptionKeysAt(certificate, validity, self, at, strength);
  const [first] = found.unsupported;
  if (first !== undefined && unsupported === 'defer')
    return unfit(certificate, REASONS.unsupportedSubkey(first), 'recipient');
  if (found.isDamaged && unsupported === 'defer')
    return unfit(
      certificate,
      found.keys.length > 0 ? REASONS.falseBinding : REASONS.subkeysUnbound,
      'recipient',
    );
  const keys = subkeys === 'newest' ? found.keys.slice(0, 1) : found.keys;
  if (keys.length === 0)
    return unfit(
      certificate,
      first === undefined ? found.whyNone : REASONS.unsupportedOnly(first),
      'certificate',
    );
  return { keys, self, leftOut: [...found.unsupported.map(LEFT_OUT.unsupported), ...found.leftOut] };
}

/** Makes chosen keys ready for use until a time, or says why they cannot be used. */
export function usableOf(
  certificate: Certificate,
  { keys: chosen, self, leftOut }: Choice,
  validUntil: number,
): Judgement {
  const { fingerprint } = certificate;
  const keys = chosen.map((packet) => certificate.usableKey(packet, usableKeyOf));
  if (keys.includes(undefined)) return unfit(certificate, REASONS.broken, 'recipient');
  const usable: UsableCertificate = {
    fingerprint,
    keys: keys.filter((each) => each !== undefined),
    preferences: preferencesOf(self),
    validUntil,
    leftOut: leftOut.map((each) => `${fingerprint}: ${each}`),
  };
  const excess = excessOf([usable]);
  return excess === undefined ? usable : unfit(certificate, excess, 'recipient');
}

function unfit({ fingerprint }: Certificate, reason: string, holdsBack: Unfit['holdsBack']): Unfit {
  return { fingerprint, reason: `${fingerprint} ${reason}`, holdsBack };
}

/** Returns when one of the chosen keys is no longer valid, or infinity. */
function endOf(
  certificate: Certificate,
  validity: Validity,
  chosen: readonly KeyPacket[],
  at: number,
): number {
  const isEnd = (time: number) =>
    chosen.some((each) => !isForEncryptionAt(each, certificate, validity, time));
  return validity.changesAfter(at).find(isEnd) ?? Number.POSITIVE_INFINITY;
}

/** Makes a packet on trial, so that a key with which none can be made is found now and not after DATA. */
function usableKeyOf(packet: KeyPacket): UsableKey | undefined {
  const key = recipientKeyOf(packet);
  if (key === undefined) return undefined;
  try {
    const encrypt = sessionKeyEncryptor(key);
    encrypt({ packetVersion: 3, cipher: AES_ID[32], key: Buffer.alloc(32) });
    return { keyId: keyIdOf(key), encrypt, cost: costOf(key) };
  } catch {
    return undefined;
  }
}

function keyIdOf({ version, fingerprint }: RecipientKey): string {
  const id = version === 6 ? fingerprint.subarray(0, 8) : fingerprint.subarray(12);
  return Buffer.from(id).toString('hex').toUpperCase();
}

function preferencesOf(self: SelfSignature): Preferences {
  return {
    readsSeipd2: ((self.features?.[0] ?? 0) & SEIPD2_FEATURE) !== 0,
    symmetric: self.preferredSymmetricAlgorithms ?? [],
    suites: self.preferredCipherSuites ?? [],
  };
}

/**
 * Returns what an operator wants to know of a certificate. `expiresAt`: from when on nothing can be sealed to
 * it; undefined if it never ends, and if it is not usable now.
 */
export async function describeCertificate(
  certificate: Certificate,
  now: Date,
  rules: JudgingRules,
): Promise<{ fingerprint: string; userIds: string[]; expiresAt: Date | undefined }> {
  const { fingerprint, userIds } = certificate;
  return { fingerprint, userIds, expiresAt: await endOfUse(certificate, now.getTime(), rules) };
}

async function endOfUse(
  certificate: Certificate,
  at: number,
  rules: JudgingRules,
): Promise<Date | undefined> {
  const use = await useOf(certificate, rules);
  if (use === undefined || use.validity.facts.isIncomplete || !use.isAt(at)) return undefined;
  const end = use.validity.changesAfter(at).find((time) => !use.isAt(time));
  return end === undefined ? undefined : new Date(end);
}

/** Returns what tells whether a key of a certificate is for encryption at a time; undefined if it is weak. */
export async function useOf(
  certificate: Certificate,
  { strength = USUAL_STRENGTH }: JudgingRules,
): Promise<{ readonly validity: Validity; isAt(time: number): boolean } | undefined> {
  if (weaknessOf(certificate.primary, strength) !== undefined) return undefined;
  const validity = await certificate.validity();
  const { primary, subkeys } = certificate;
  const strong = [primary, ...subkeys].filter(
    (key) => key !== undefined && weaknessOf(key, strength) === undefined,
  );
  return {
    validity,
    isAt: (time) =>
      strong.some((key) => key !== undefined && isForEncryptionAt(key, certificate, validity, time)),
  };
}
