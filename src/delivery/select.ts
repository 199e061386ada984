/**
 * Account -> the keys its copy is sealed with, judged at this moment. Unusable certificates
 * are left out; a file that cannot be read, or a secret key among them, makes the account
 * unusable: better no mail than mail sealed with half of what somebody meant.
 */
import { type Refusal, refusal } from '../core/outcome.ts';
import { judgeCertificate, type SealingKeys, sealingKeysOf } from '../keys/certificates.ts';
import type { KeyEntry } from '../keys/source.ts';

export interface KeyRules {
  /** What to answer when no key is usable. */
  readonly unusable: 'defer' | 'reject';
  readonly subkeys: 'all' | 'newest';
}

export async function select(
  keys: KeyEntry | undefined,
  rules: KeyRules,
  nowMs: number,
): Promise<SealingKeys | Refusal> {
  const why = rules.unusable === 'defer' ? 'keyUnusableNow' : 'keyUnusable';
  if (keys === undefined) return refusal(why, 'no key');
  // a file may be half written right now, so this is never more than a deferral
  if (keys.problems.length > 0) return refusal('keyUnusableNow', ...keys.problems);
  const now = new Date(nowMs);
  const judged = await Promise.all(
    keys.certificates.map((each) => judgeCertificate(each, now, rules.subkeys)),
  );
  const usable = judged.filter((each) => 'keys' in each);
  if (usable.length > 0) return sealingKeysOf(usable);
  return refusal(why, ...judged.flatMap((each) => ('reason' in each ? [each.reason] : [])));
}
