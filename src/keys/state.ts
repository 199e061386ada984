/**
 * The state of a certificate in one word, for people and for metrics: the same in `check`, in the lists of
 * keys, in /metrics and in the log of each day. It follows from the judgement that decides at RCPT.
 */
import type { Certificate } from './certificates.ts';
import { describeCertificate, judgeCertificate, useOf } from './judgement.ts';
import type { JudgingRules } from './usable.ts';
import { REASONS } from './words.ts';

export type KeyState = 'valid' | 'expiring' | 'expired' | 'revoked' | 'unusable';

/** A key that ends within this time is `expiring`. */
const EXPIRING_MS = 30 * 24 * 60 * 60 * 1000;

export interface StateOfKey {
  readonly state: KeyState;
  /** When nothing can be sealed to it any more, or could not since. Undefined: it has no end, or no use. */
  readonly expiresAt: Date | undefined;
  /** A sentence that begins with the fingerprint; undefined if it can be sealed to. */
  readonly reason: string | undefined;
}

export async function keyStateOf(
  certificate: Certificate,
  now: Date,
  rules: JudgingRules,
): Promise<StateOfKey> {
  const judged = await judgeCertificate(certificate, now, rules);
  if ('keys' in judged) {
    const { expiresAt } = await describeCertificate(certificate, now, rules);
    return { state: stateUntil(expiresAt, now), expiresAt, reason: undefined };
  }
  const { reason, holdsBack } = judged;
  const is = (state: KeyState, expiresAt?: Date) => ({ state, expiresAt, reason });
  if (holdsBack === 'recipient') return is('unusable');
  const { fingerprint } = certificate;
  const revoked = [REASONS.revoked, REASONS.userIdsRevoked, REASONS.subkeysRevoked];
  if (revoked.some((each) => reason === `${fingerprint} ${each}`)) return is('revoked');
  const ended = await endBefore(certificate, now.getTime(), rules);
  return ended === undefined ? is('unusable') : is('expired', ended);
}

/** Returns the state of a key that can be sealed to now. */
export function stateUntil(expiresAt: Date | undefined, now: Date): 'valid' | 'expiring' {
  const isSoon = expiresAt !== undefined && expiresAt.getTime() - now.getTime() <= EXPIRING_MS;
  return isSoon ? 'expiring' : 'valid';
}

/** Returns when a certificate that is of no use now was last of use; undefined if it never was. */
async function endBefore(
  certificate: Certificate,
  at: number,
  rules: JudgingRules,
): Promise<Date | undefined> {
  const use = await useOf(certificate, rules);
  if (use === undefined) return undefined;
  const past = use.validity.changesAfter(Number.NEGATIVE_INFINITY).filter((time) => time <= at);
  const end = past.reverse().find((time) => use.isAt(time - 1));
  return end === undefined ? undefined : new Date(end);
}
