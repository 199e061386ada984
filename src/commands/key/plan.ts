/** What is to be done for one recipient so that they have these keys, and what has to be agreed to. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificate, uniteCertificates } from '../../keys/certificates.ts';
import { bytesAt } from '../../keys/exchange.ts';
import { type JudgedCertificate, judgeEntry } from '../../keys/judgedentry.ts';
import { addressOfUserId, usualNames } from '../../keys/names.ts';
import { MAX_KEY_FILE_BYTES, merge } from '../../keys/parsedfiles.ts';
import { excessOf } from '../../keys/sessionkeys.ts';
import type { KeyEntry } from '../../keys/source.ts';
import { usedFiles } from '../../keys/survey.ts';
import { lostKeys, lostRevocation } from '../../keys/update.ts';
import { WORDS } from '../../keys/words.ts';
import { armorOf } from '../../keys/writing.ts';
import { CommandError } from '../errors.ts';
import type { Change, Plan } from './planned.ts';
import { couldNotLook, type KeySite } from './site.ts';

interface PresentFile {
  readonly file: string;
  readonly bytes: Buffer | undefined;
}

interface Present {
  readonly files: readonly PresentFile[];
  readonly entry: KeyEntry;
}

/** Returns what is to be done. Throws CommandError if the keys are not fit, or undo a revocation. */
export async function planFor(
  address: string,
  offered: readonly Certificate[],
  site: KeySite,
  warn: (sentence: string) => void,
): Promise<Plan> {
  const keys = await uniteCertificates(offered);
  const next = await judged(keys, site);
  const present = await presentOf(address, site).catch(couldNotLook);
  const before = await judged(present.entry.certificates, site);
  refuseUnfit(address, before, next);
  for (const sentence of doubtsAbout(address, next, site)) warn(sentence);
  await refuseUndoing(address, before, next);
  const content = await armorOf(keys).catch((error: Error) => {
    throw new CommandError('data', `${address}: ${error.message}`);
  });
  if (content.length > MAX_KEY_FILE_BYTES)
    throw new CommandError(
      'data',
      `${address}: what is to be added ${WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024)}`,
    );
  if (await isTheSame(present, keys)) return { address, changes: [], added: [], toConfirm: [] };
  const toConfirm = present.files.length === 0 ? [] : await whatChanges(address, present, before, next);
  const had = new Set(before.map(({ certificate }) => certificate.fingerprint));
  const added = keys.map(({ fingerprint }) => fingerprint).filter((each) => !had.has(each));
  return { address, changes: changesOf(address, present.files, content), added, toConfirm };
}

async function judged(
  certificates: readonly Certificate[],
  site: KeySite,
): Promise<readonly JudgedCertificate[]> {
  const now = new Date(site.world.now());
  return (await judgeEntry({ certificates, problems: [] }, site.rules, now)).certificates;
}

function refuseUnfit(
  address: string,
  before: readonly JudgedCertificate[],
  next: readonly JudgedCertificate[],
): void {
  const reasons = next.flatMap(({ judgement }) => ('reason' in judgement ? [judgement.reason] : []));
  const excess = excessOf(next.flatMap(({ judgement }) => ('keys' in judgement ? [judgement] : [])));
  const all = [...reasons, ...(reasons.length === 0 && excess !== undefined ? [excess] : [])];
  if (all.length === 0) return;
  const isInUse = before.some(
    ({ certificate: { fingerprint }, state }) =>
      state.reason === undefined &&
      next.some((each) => each.certificate.fingerprint === fingerprint && each.state.state === 'revoked'),
  );
  const end = isInUse
    ? `mail is still sealed to the present copy: sealdir key remove ${address} ends that`
    : 'nothing was changed';
  throw new CommandError('data', ...all.map((reason) => `${address}: ${reason}`), end);
}

function doubtsAbout(address: string, next: readonly JudgedCertificate[], { same }: KeySite): string[] {
  return next.flatMap(({ certificate: { fingerprint, userIds }, judgement }) => {
    const isNamed = address.startsWith('@') || userIds.some((id) => addressOfUserId(id, same) === address);
    const leftOut = 'leftOut' in judgement ? judgement.leftOut : [];
    return isNamed ? leftOut : [...leftOut, `no user ID of ${fingerprint} names ${address}`];
  });
}

async function presentOf(address: string, { directory, path }: KeySite): Promise<Present> {
  const walk = await directory.walk(new Set([address]));
  const files: PresentFile[] = [];
  const entries: KeyEntry[] = [];
  for await (const group of walk.groups())
    for (const { file, entry } of usedFiles(group)) {
      const at = join(path, file);
      if ((await lstat(at)).isSymbolicLink())
        throw new CommandError('data', `${at} is a link: change what it leads to, or remove it first`);
      files.push({ file, bytes: await bytesAt(at) });
      entries.push(entry);
    }
  return { files, entry: await merge(entries) };
}

async function refuseUndoing(
  address: string,
  before: readonly JudgedCertificate[],
  next: readonly JudgedCertificate[],
): Promise<void> {
  for (const { certificate } of next) {
    const old = before.find((each) => each.certificate.fingerprint === certificate.fingerprint);
    const lost = old && (await lostRevocation(old.certificate, certificate));
    if (lost === undefined) continue;
    const what = `the present copy says that ${lost} is revoked, and the new one does not`;
    const fix = 'ask its owner for the present key; nothing was changed';
    throw new CommandError('data', `${address}: ${certificate.fingerprint}: ${what}: ${fix}`);
  }
}

/** Tells whether one file is there that has the same packets. */
async function isTheSame({ files, entry }: Present, keys: readonly Certificate[]): Promise<boolean> {
  if (files.length !== 1 || entry.problems.length > 0) return false;
  const written = await armorOf(sorted(entry.certificates)).catch(() => undefined); // made in another way
  return written?.equals(await armorOf(sorted(keys))) === true;
}

function sorted(certificates: readonly Certificate[]): Certificate[] {
  return [...certificates].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
}

/** Returns what somebody has to agree to; nothing for newer copies of the same certificates. */
async function whatChanges(
  address: string,
  { entry }: Present,
  before: readonly JudgedCertificate[],
  next: readonly JudgedCertificate[],
): Promise<string[]> {
  const named = (all: readonly JudgedCertificate[]) =>
    all.map(({ certificate }) => certificate.fingerprint).sort();
  const [problem] = entry.problems;
  if (problem !== undefined)
    return [
      `${address}: ${named(next).join(', ')} takes the place of a file that cannot be used (${problem})`,
    ];
  if (named(before).join() !== named(next).join())
    return [
      `${address} has another key, ${named(before).join(', ')}: ${named(next).join(', ')} takes its place`,
    ];
  const lost: string[] = [];
  for (const { certificate, judgement } of next) {
    const old = before.find((each) => each.certificate.fingerprint === certificate.fingerprint);
    if (old === undefined) continue;
    lost.push(...lostKeys(old.judgement, judgement));
    const inDoubt = (await old.certificate.validity()).facts.isRevocationInDoubt;
    if (inDoubt && !(await certificate.validity()).facts.isRevocationInDoubt)
      return [
        `${address}: the present copy of ${certificate.fingerprint} carries a revocation that cannot be checked, and the new one does not`,
      ];
  }
  return lost.length === 0 ? [] : [`${address}: mail is sealed to ${lost.join(', ')} no longer`];
}

/** The new keys take the place of the only file; of several, the usual name, and the others go. */
function changesOf(address: string, files: readonly PresentFile[], content: Buffer): Change[] {
  const [usual = ''] = usualNames(address);
  const [first] = files;
  const target = files.length === 1 && first !== undefined ? first.file : usual;
  const there = files.find(({ file }) => file === target);
  const others = files.filter((each) => each !== there);
  return [
    { address, file: target, expected: there?.bytes, content },
    ...others.map(({ file, bytes }) => ({ address, file, expected: bytes, content: undefined })),
  ];
}
