/**
 * What is known of the keys of an address, and what is there now -> the change to be logged, if there is one;
 * and the way for a command to change key files, so that it is logged once and with who did it.
 */
import { type Certificate, parseCertificates, uniteCertificates } from '../keys/certificates.ts';
import { formerUse } from '../keys/former.ts';
import { type Copies, digestOf } from './copies.ts';
import { type By, type Change, isSame, type Keys, NO_KEYS } from './entry.ts';
import type { KeyLog, KnownKeys } from './keylog.ts';

/** Returns the keys in files that were read. */
export function keysOf(
  files: readonly { readonly bytes: Buffer; readonly certificates: readonly Certificate[] }[],
): Keys {
  const fingerprints = files.flatMap(({ certificates }) =>
    certificates.map(({ fingerprint }) => fingerprint),
  );
  return sortedKeys(
    fingerprints,
    files.map(({ bytes }) => digestOf(bytes)),
  );
}

export function sortedKeys(fingerprints: readonly string[], digests: readonly string[]): Keys {
  return { fingerprints: [...new Set(fingerprints)].sort(), files: [...new Set(digests)].sort() };
}

/**
 * Returns undefined if nothing has changed. `isFirst`: nothing at all is known yet. There are copies of all
 * files.
 */
export async function changeOf(
  address: string,
  known: KnownKeys | undefined,
  after: Keys,
  { by, isFirst, copies, now }: { by: By; isFirst: boolean; copies: Copies; now: Date },
): Promise<Change | undefined> {
  const { now: before = NO_KEYS, last = NO_KEYS } = known ?? {};
  const was = before.fingerprints.length > 0;
  const is = after.fingerprints.length > 0;
  if (!was && !is) return undefined;
  if (!was) return { address, event: isFirst ? 'first-look' : 'came', before: last, after, by };
  if (!is) return { address, event: 'went', before, after: NO_KEYS, by };
  if (isSame(before.fingerprints, after.fingerprints) && isSame(before.files, after.files)) return undefined;
  // what cannot be compared, since it is too large together, is told
  const isLess =
    isSame(before.fingerprints, after.fingerprints) &&
    (await saysLess(before, after, copies, now).catch(() => true));
  return { address, event: 'changed', before, after, lost: isLess ? true : undefined, by };
}

/**
 * Tells whether there is a certificate for which other subkeys would be used if all that was known of it
 * before still counted: nobody but its owner can add anything to it, but anybody can leave something out.
 */
async function saysLess(before: Keys, after: Keys, copies: Copies, now: Date): Promise<boolean> {
  const [old, fresh] = [await certificatesIn(before, copies), await certificatesIn(after, copies)];
  for (const fingerprint of after.fingerprints) {
    const of = (all: readonly Certificate[]) => all.filter((each) => each.fingerprint === fingerprint);
    const [united] = await uniteCertificates([...of(old), ...of(fresh)]);
    const [alone] = await uniteCertificates(of(fresh));
    if ((await usedKeys(united, now)) !== (await usedKeys(alone, now))) return true;
  }
  return false;
}

async function usedKeys(certificate: Certificate | undefined, now: Date): Promise<string> {
  const use = certificate && (await formerUse(certificate, now));
  return (use?.keys ?? [])
    .map(({ keyId }) => keyId)
    .sort()
    .join();
}

/** Returns what is in the copies of these files; nothing of those that are lost. */
export async function certificatesIn(keys: Keys, copies: Copies): Promise<Certificate[]> {
  const all = keys.files.map(async (digest) => {
    const bytes = copies.get(digest);
    return bytes === undefined ? [] : parseCertificates(bytes).catch(() => []);
  });
  return (await Promise.all(all)).flat();
}

export interface CommandedChange {
  readonly address: string;
  readonly by: By;
  /** What the key files of the address hold before and after it, as a look-up would find them. */
  readonly before: readonly { readonly bytes: Buffer; readonly certificates: readonly Certificate[] }[];
  readonly after: readonly { readonly bytes: Buffer; readonly certificates: readonly Certificate[] }[];
  readonly now: Date;
  /** Makes the change of the files. */
  change(): Promise<void>;
}

/**
 * Changes key files for a command, and logs that. The keeper of a running server looks at no key meanwhile,
 * and tells the owner afterwards. What somebody else has changed before, and nobody has logged, is logged
 * first as one that was found. Throws if it cannot be logged; then nothing is changed, unless the disk failed
 * in between: the change is logged then as one that was found.
 */
export async function changeKeys(log: KeyLog, copies: Copies, commanded: CommandedChange): Promise<void> {
  const { address, by, before, after, now, change } = commanded;
  await log.locked(async () => {
    for (const { bytes } of [...before, ...after]) copies.put(bytes);
    copies.sync();
    const found = keysOf(before);
    // before there is a log, nothing is known; a file without a key that can be read says nothing
    if (log.entries > 0 && before.length > 0 && before.every(({ certificates }) => certificates.length > 0)) {
      const context = { by: { how: 'directory' } as const, isFirst: false, copies, now };
      const earlier = await changeOf(address, log.known.get(address), found, context);
      if (earlier !== undefined) log.append([earlier]);
    }
    const known = log.known.get(address) ?? { now: found, last: found };
    const logged = await changeOf(address, known, keysOf(after), { by, isFirst: false, copies, now });
    await change();
    if (logged !== undefined) log.append([logged]);
  });
}
