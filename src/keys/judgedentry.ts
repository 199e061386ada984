/**
 * All keys of a recipient as a delivery sees them: the state of each, and what a copy would be sealed with.
 * For `sealdir key`; it goes by the judgement that RCPT and DATA go by.
 */
import type { Certificate } from './certificates.ts';
import { judgeCertificate } from './judgement.ts';
import { excessOf, sealingKeysOf } from './sessionkeys.ts';
import type { KeyEntry } from './source.ts';
import { keyStateOf, type StateOfKey } from './state.ts';
import type { Judgement, JudgingRules } from './usable.ts';

export interface JudgedCertificate {
  readonly certificate: Certificate;
  readonly judgement: Judgement;
  readonly state: StateOfKey;
}

export interface JudgedEntry {
  readonly certificates: readonly JudgedCertificate[];
  /** What a copy would be sealed with; undefined if none could be sealed. */
  readonly seipd: 1 | 2 | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Judges all keys of a recipient. One that is good on its own is unusable if its owner's others hold it back:
 * a file that cannot be read, a certificate that must not be left out, or too many together.
 */
export async function judgeEntry(entry: KeyEntry, rules: JudgingRules, now: Date): Promise<JudgedEntry> {
  const judged = await Promise.all(entry.certificates.map((each) => judgeOne(each, rules, now)));
  const usable = judged.flatMap(({ judgement }) => ('keys' in judgement ? [judgement] : []));
  const holding = judged.flatMap(({ judgement }) =>
    'reason' in judgement && judgement.holdsBack === 'recipient' ? [judgement.reason] : [],
  );
  const reason = entry.problems[0] ?? holding[0] ?? excessOf(usable);
  if (reason === undefined)
    return { certificates: judged, seipd: usable[0] && sealingKeysOf(usable).encryption.version };
  const certificates = judged.map((each) =>
    'keys' in each.judgement ? { ...each, state: unusableFor(reason) } : each,
  );
  return { certificates, seipd: undefined };
}

async function judgeOne(
  certificate: Certificate,
  rules: JudgingRules,
  now: Date,
): Promise<JudgedCertificate> {
  const judgement = await judgeCertificate(certificate, now, rules);
  return { certificate, judgement, state: await keyStateOf(certificate, now, rules) };
}

/** Returns the state of what is not used for a reason other than its own. */
export function unusableFor(reason: string): StateOfKey {
  return { state: 'unusable', expiresAt: undefined, reason };
}

/** Returns how many whole days a key can still be sealed to; undefined if it has no end, or cannot be. */
export function daysLeft({ reason, expiresAt }: StateOfKey, now: Date): number | undefined {
  if (reason !== undefined || expiresAt === undefined) return undefined;
  return Math.floor((expiresAt.getTime() - now.getTime()) / DAY_MS);
}
