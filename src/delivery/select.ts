/**
 * Account -> the keys its copy is sealed with, judged at this moment. Unusable certificates
 * are left out; a file that cannot be read, or a secret key among them, makes the account
 * unusable: better no mail than mail sealed with half of what somebody meant.
 */
import type { Refusal } from '../core/outcome.ts';
import { judgeCertificate } from '../keys/judgement.ts';
import { type SealingKeys, sealingKeysOf } from '../keys/sessionkeys.ts';
import type { KeyEntry } from '../keys/source.ts';

export interface SelectPolicy {
  /** What to answer when no key is usable. */
  readonly unusable: 'defer' | 'reject';
  readonly subkeys: 'all' | 'newest';
}

export async function select(
  keys: KeyEntry | undefined,
  policy: SelectPolicy,
  nowMs: number,
): Promise<SealingKeys | Refusal> {
  const why = policy.unusable === 'defer' ? 'keyUnusableNow' : 'keyUnusable';
  if (keys === undefined) return { why, reasons: ['no key'] };
  // a file may be half written right now, so this is never more than a deferral
  if (keys.problems.length > 0) return { why: 'keyUnusableNow', reasons: keys.problems };
  const now = new Date(nowMs);
  const judged = await Promise.all(
    keys.certificates.map((each) => judgeCertificate(each, now, policy.subkeys)),
  );
  const usable = judged.filter((each) => 'keys' in each);
  if (usable.length > 0) return sealingKeysOf(usable);
  return { why, reasons: judged.flatMap((each) => ('reason' in each ? [each.reason] : [])) };
}
