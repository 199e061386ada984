/**
 * The keys of a recipient -> those that its copy is sealed with, judged at this moment. Certificates
 * that cannot be used are left out. A key that cannot be read makes the recipient unusable: better no
 * mail for now than mail sealed to only some of the owner's keys.
 */
import { type Refusal, refusal } from '../core/outcome.ts';
import { judgeCertificate } from '../keys/judgement.ts';
import { excessOf, type SealingKeys, sealingKeysOf } from '../keys/sessionkeys.ts';
import type { KeyEntry } from '../keys/source.ts';

export interface KeyRules {
  /** What is answered if no key is usable. */
  readonly unusable: 'defer' | 'reject';
  readonly subkeys: 'all' | 'newest';
  /**
   * If a certificate has an encryption subkey that Sealdir cannot use: defer the recipient, or ignore that
   * subkey. Default: defer.
   */
  readonly unsupportedSubkeys?: 'defer' | 'ignore';
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
    keys.certificates.map((each) => judgeCertificate(each, now, rules.subkeys, rules.unsupportedSubkeys)),
  );
  const unfit = judged.filter((each) => 'reason' in each);
  const holding = unfit.filter((each) => each.holdsBack === 'recipient');
  if (holding.length > 0) return refusal('keyUnusableNow', ...holding.map(({ reason }) => reason));
  const usable = judged.filter((each) => 'keys' in each);
  if (usable.length === 0) return refusal(why, ...unfit.map(({ reason }) => reason));
  const excess = excessOf(usable);
  return excess === undefined ? sealingKeysOf(usable) : refusal('keyUnusableNow', excess);
}
