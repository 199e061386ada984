/**
 * The keys of certificates that have expired, as they were at the last moment before: for sites that seal to
 * those rather than let mail wait. What is revoked now, for whatever reason, counts as if it had never been
 * valid. So does a key that its owner has since declared to be for something else than encryption.
 */
import { Turns } from '../core/turns.ts';
import type { Certificate } from './certificates.ts';
import { isLastMeant } from './encryptionkeys.ts';
import { areSame, chooseKeys, usableOf } from './judgement.ts';
import { USUAL_STRENGTH } from './limits.ts';
import { weaknessOf } from './material.ts';
import type { JudgingRules, LastValid, Unfit, UsableCertificate } from './usable.ts';
import type { Validity } from './validity.ts';

/**
 * Returns the keys that a message would have been sealed to at the last moment before `now` at which there
 * were any. There may be none. Returns an Unfit if less than their owner meant would be used then.
 */
export async function lastValidKeys(
  certificates: readonly Certificate[],
  now: Date,
  rules: JudgingRules,
): Promise<readonly UsableCertificate[] | Unfit> {
  const all = await Promise.all(certificates.map((each) => lastValidOf(each, now.getTime(), rules)));
  const any = all.filter((each) => each !== undefined);
  const unfit = any.find((each) => 'reason' in each);
  if (unfit !== undefined) return unfit;
  const found = any.filter((each) => 'usable' in each);
  const last = Math.max(...found.map(({ at }) => at));
  return found.filter(({ at }) => at === last).map(({ usable }) => usable);
}

/** Looks for it once, until something about the certificate changes. */
async function lastValidOf(
  certificate: Certificate,
  now: number,
  rules: JudgingRules,
): Promise<LastValid | Unfit | undefined> {
  if (weaknessOf(certificate.primary, rules.strength ?? USUAL_STRENGTH) !== undefined) return undefined;
  const validity = await certificate.validity();
  const { lastValid: known } = certificate;
  if (known && areSame(known.rules, rules) && known.from <= now && now < known.until) return known.result;
  const [until = Number.POSITIVE_INFINITY] = validity.changesAfter(now);
  // what cannot be judged is not sealed to
  const result = findLastValid(certificate, validity, now, rules).catch(() => undefined);
  // kept before it is known, so that sessions that ask at the same time share one search
  certificate.lastValid = { rules, from: now, until, result };
  return result;
}

async function findLastValid(
  certificate: Certificate,
  validity: Validity,
  now: number,
  rules: JudgingRules,
): Promise<LastValid | Unfit | undefined> {
  const withoutRevoked = validity.withoutRevoked();
  const turns = new Turns();
  for (const end of validity.changesUpTo(now).reverse()) {
    const at = end - 1; // nothing changes from one of these times to the next
    if (!withoutRevoked.speaksAt(at)) continue;
    await turns.next(); // a key may have changed a thousand times
    const rest = chooseKeys(certificate, withoutRevoked, at, rules);
    const then = chooseKeys(certificate, validity, at, rules);
    const unfit = [rest, then].find((each) => 'reason' in each);
    if (unfit?.holdsBack === 'recipient') return unfit;
    if ('reason' in rest || 'reason' in then) continue;
    const keys = rest.keys.filter(
      (each) => then.keys.includes(each) && isLastMeant(each, certificate, validity, now),
    );
    if (keys.length === 0) continue;
    const usable = usableOf(certificate, { ...rest, keys }, Number.POSITIVE_INFINITY);
    return 'reason' in usable ? usable : { at, usable };
  }
  return undefined;
}
