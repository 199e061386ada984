/**
 * The keys of a recipient -> those that its copy is sealed with, judged at this moment. Certificates
 * that cannot be used are left out. A key that cannot be read makes the recipient unusable: better no
 * mail for now than mail sealed to some of the keys that its owner meant.
 */
import { type Refusal, refusal } from '../core/outcome.ts';
import { judgeCertificate } from '../keys/judgement.ts';
import { type SealingKeys, sealingKeysOf } from '../keys/sessionkeys.ts';
import type { KeyEntry } from '../keys/source.ts';

export interface KeyRules {
  /** What is answered if no key is usable. */
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
  // Only deferred, whatever the setting: the file may be half written at this moment.
  if (keys.problems.length > 0) return refusal('keyUnusableNow', ...keys.problems);
  const now = new Date(nowMs);
  const judged = await Promise.all(
    keys.certificates.map((each) => judgeCertificate(each, now, rules.subkeys)),
  );
  const usable = judged.filter((each) => 'keys' in each);
  if (usable.length > 0) return sealingKeysOf(usable);
  return refusal(why, ...judged.flatMap((each) => ('reason' in each ? [each.reason] : [])));
}
