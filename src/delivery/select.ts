/**
 * The keys of a recipient -> those that its copy is sealed with, judged at this moment. Certificates
 * that cannot be used are left out. A key that cannot be read makes the recipient unusable: better no
 * mail for now than mail sealed to only some of the owner's keys. Where no key is usable, the site or the
 * recipient source may have named others.
 */
import { type Refusal, refusal, type StoredAs } from '../core/outcome.ts';
import type { Unusable } from '../core/unusable.ts';
import { judgeCertificate } from '../keys/judgement.ts';
import { lastValidKeys } from '../keys/lastvalid.ts';
import { excessOf, type SealingKeys, sealingKeysOf } from '../keys/sessionkeys.ts';
import { NO_HOLD, type SiteKeys } from '../keys/sitekeys.ts';
import type { KeyEntry } from '../keys/source.ts';
import type { JudgingRules, UsableCertificate } from '../keys/usable.ts';

export interface KeyRules extends JudgingRules {
  /** What is done if no key is usable, unless the recipient source says something else. */
  readonly unusable: Unusable;
  /** Left out: there are none. */
  readonly site?: Pick<SiteKeys, 'also' | 'hold'> | undefined;
}

/** The keys of a copy. */
export interface Selection extends SealingKeys {
  /** The recipient's own among `usable`. */
  readonly own: readonly UsableCertificate[];
  readonly storedAs: StoredAs;
  /** Why they are not the recipient's valid keys, for the log. */
  readonly reasons: readonly string[];
}

type How = Pick<Selection, 'storedAs' | 'reasons'>;

const VALID: How = { storedAs: 'stored', reasons: [] };
const NONE: KeyEntry = { certificates: [], problems: [] };

/** `unusable`: what is done if no key is usable; the recipient source may have said it. */
export async function select(
  keys: KeyEntry | undefined,
  rules: KeyRules,
  nowMs: number,
  unusable: Unusable = rules.unusable,
): Promise<Selection | Refusal> {
  const now = new Date(nowMs);
  const chosen = await choose(keys, rules, now, unusable);
  if ('why' in chosen || rules.site === undefined) return chosen;
  const also = await rules.site.also(now);
  if ('reasons' in also) return refusal('siteKeyUnusable', ...also.reasons);
  // what a recipient's keys may cost is theirs alone; those of the site may cost as much once more
  return also.usable.length === 0
    ? chosen
    : { ...selection([...chosen.usable, ...also.usable], chosen), own: chosen.own };
}

async function choose(
  keys: KeyEntry | undefined,
  rules: KeyRules,
  now: Date,
  unusable: Unusable,
): Promise<Selection | Refusal> {
  const { certificates, problems } = keys ?? NONE;
  // Only deferred, whatever the setting: the file may be half written at this moment.
  if (problems.length > 0) return refusal('keyUnusableNow', ...problems);
  const judged = await Promise.all(certificates.map((each) => judgeCertificate(each, now, rules)));
  const unfit = judged.filter((each) => 'reason' in each);
  const holding = unfit.filter((each) => each.holdsBack === 'recipient');
  if (holding.length > 0) return refusal('keyUnusableNow', ...holding.map(({ reason }) => reason));
  const usable = judged.filter((each) => 'keys' in each);
  if (usable.length > 0) return affordable(usable, VALID);
  const reasons = keys === undefined ? ['no key'] : unfit.map(({ reason }) => reason);
  switch (unusable) {
    case 'defer':
      return refusal('keyUnusableNow', ...reasons);
    case 'reject':
      return refusal('keyUnusable', ...reasons);
    case 'last-valid':
      return lastValid(certificates, rules, now, reasons);
    case 'hold':
      return held(rules, now, reasons);
    default:
      return unusable satisfies never;
  }
}

async function lastValid(
  certificates: KeyEntry['certificates'],
  rules: KeyRules,
  now: Date,
  reasons: readonly string[],
): Promise<Selection | Refusal> {
  const last = await lastValidKeys(certificates, now, rules);
  if ('reason' in last) return refusal('keyUnusableNow', ...reasons, last.reason);
  if (last.length === 0) return refusal('keyUnusableNow', ...reasons);
  return affordable(last, { storedAs: 'storedLastValid', reasons });
}

async function held(rules: KeyRules, now: Date, reasons: readonly string[]): Promise<Selection | Refusal> {
  const hold = (await rules.site?.hold(now)) ?? { reasons: [NO_HOLD] };
  if ('reasons' in hold) return refusal('siteKeyUnusable', ...reasons, ...hold.reasons);
  return { ...selection(hold.usable, { storedAs: 'storedHeld', reasons }), own: [] };
}

function affordable(usable: readonly UsableCertificate[], how: How): Selection | Refusal {
  const excess = excessOf(usable);
  return excess === undefined ? selection(usable, how) : refusal('keyUnusableNow', excess);
}

function selection(usable: readonly UsableCertificate[], { storedAs, reasons }: How): Selection {
  const { encryption } = sealingKeysOf(usable);
  return { usable, own: usable, encryption, storedAs, reasons };
}
