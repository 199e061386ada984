/** The key directory as a list: one row for each certificate, and one for each file that holds none. */
import type { JudgedCertificate } from './judgedentry.ts';
import { judgeEntry, unusableFor } from './judgedentry.ts';
import { kindOf } from './kind.ts';
import type { DirectoryEntry } from './listing.ts';
import { isUsualName } from './names.ts';
import { merge } from './parsedfiles.ts';
import type { StateOfKey } from './state.ts';
import type { JudgingRules } from './usable.ts';
import { WORDS } from './words.ts';

export interface KeyRow {
  /** Undefined for a file that makes no recipient. */
  readonly address: string | undefined;
  readonly file: string;
  /** Undefined if nothing can be read. */
  readonly fingerprint: string | undefined;
  /** Kinds of its keys, as in `ed25519/cv25519`. */
  readonly kind: string | undefined;
  /** The SEIPD version of mail that is sealed to it; undefined if none is. */
  readonly seipd: 1 | 2 | undefined;
  readonly state: StateOfKey;
}

/** Returns those files of one address that are used: those with a usual name hide the others. */
export function usedFiles(group: readonly DirectoryEntry[]): readonly DirectoryEntry[] {
  const usual = group.filter(({ file, address }) => address !== undefined && isUsualName(file, address));
  return usual.length > 0 ? usual : group.filter(({ address }) => address !== undefined);
}

/** Returns the rows of files that belong together. */
export async function rowsOf(
  group: readonly DirectoryEntry[],
  rules: JudgingRules,
  now: Date,
): Promise<KeyRow[]> {
  const used = usedFiles(group);
  const { certificates, seipd } = await judgeEntry(await merge(used.map(({ entry }) => entry)), rules, now);
  const judged = new Map(certificates.map((each) => [each.certificate.fingerprint, each]));
  return group.flatMap((each) =>
    used.includes(each) ? rowsOfUsed(each, judged, seipd) : rowsOfUnused(each),
  );
}

function rowsOfUsed(
  { file, address, entry }: DirectoryEntry,
  judged: ReadonlyMap<string, JudgedCertificate>,
  seipd: 1 | 2 | undefined,
): KeyRow[] {
  const problems = entry.problems.map((problem) => rowWithout(file, address, problem));
  const keys = entry.certificates.flatMap(({ fingerprint }) => {
    const found = judged.get(fingerprint);
    if (found === undefined) return [];
    const { state, judgement, certificate } = found;
    const isSealedTo = state.reason === undefined;
    const kind = kindOf(certificate, judgement);
    return [{ address, file, fingerprint, kind, seipd: isSealedTo ? seipd : undefined, state }];
  });
  return [...problems, ...keys];
}

function rowsOfUnused({ file, address, entry, ignored }: DirectoryEntry): KeyRow[] {
  if (ignored?.isExposed) return [rowWithout(file, address, `${file} ${ignored.why}: ${ignored.fix}`)];
  if (ignored !== undefined)
    return [rowWithout(file, address, `${file} makes no recipient: it ${ignored.why}: ${ignored.fix}`)];
  const why = `${file} ${WORDS.hidden(address ?? '')}`;
  const fingerprints = entry.certificates.map(({ fingerprint }) => fingerprint);
  if (fingerprints.length === 0) return [rowWithout(file, address, why)];
  return fingerprints.map((fingerprint) => ({ ...rowWithout(file, address, why), fingerprint }));
}

function rowWithout(file: string, address: string | undefined, why: string): KeyRow {
  return {
    address,
    file,
    fingerprint: undefined,
    kind: undefined,
    seipd: undefined,
    state: unusableFor(why),
  };
}
