/** The keys in a file: whether mail is sealed to them now, how long it will be, and whose they are. */
import { dirname, extname, join } from 'node:path';
import { addressRules } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { SameAddress } from '../core/address.ts';
import type { Unusable } from '../core/unusable.ts';
import type { Certificate } from '../keys/certificates.ts';
import { daysLeft } from '../keys/judgedentry.ts';
import { judgeCertificate } from '../keys/judgement.ts';
import type { DirectoryEntry } from '../keys/listing.ts';
import { addressOfUserId, stemFor } from '../keys/names.ts';
import { excessOf } from '../keys/sessionkeys.ts';
import type { KeyEntry } from '../keys/source.ts';
import { keyStateOf } from '../keys/state.ts';
import type { Judgement, Unfit } from '../keys/usable.ts';
import { judgingRulesOf } from '../site.ts';
import { error, type Finding, warning } from './finding.ts';
import { look } from './look.ts';

/** What becomes of mail whose recipient has no other key. */
const THEN: Readonly<Record<Unusable, string>> = {
  defer: 'its mail waits in the queue',
  reject: 'its mail is refused',
  'last-valid': 'its mail is sealed to it all the same',
  hold: 'its mail is sealed to keys.hold',
};

/** Tells whether mail for the owner of this file is sealed now, and to all of its certificates. */
export async function checkUse(
  path: string,
  { file, entry }: DirectoryEntry,
  settings: Settings,
  now: Date,
): Promise<Finding[]> {
  const judged = await judgeAll(entry, settings, now);
  const usable = judged.filter((each) => 'keys' in each);
  const excess = excessOf(usable);
  return [
    ...entry.problems.map((problem) => problemFinding(path, file, problem)),
    ...judged.flatMap((each) => ('reason' in each ? [unfitFinding(path, each, usable.length)] : [])),
    ...usable.flatMap(({ leftOut }) => leftOut.map((what) => leftOutFinding(path, what))),
    ...(excess === undefined ? [] : [excessFinding(path, excess)]),
  ];
}

function judgeAll({ certificates }: KeyEntry, settings: Settings, now: Date): Promise<Judgement[]> {
  const rules = judgingRulesOf(settings);
  return Promise.all(certificates.map((each) => judgeCertificate(each, now, rules)));
}

/** A problem is a sentence that begins with the name of the file. */
function problemFinding(path: string, file: string, problem: string): Finding {
  const isExposed = problem.includes('SECRET key');
  const { what, fix } = advised(problem.slice(file.length), 'replace it with the exported public key');
  return isExposed
    ? error('key-secret', `${path}${what}`, fix)
    : warning('key-file-damaged', `${path}${what}`, fix);
}

/** A certificate that holds back the others of its owner is an error: less would be used than was meant. */
function unfitFinding(path: string, { reason, holdsBack }: Unfit, usable: number): Finding {
  const { what, fix } = advised(reason, 'ask its owner for a valid one, and replace the file');
  if (holdsBack === 'recipient')
    return error('key-holds-back', `${path}: ${what}; mail for its owner is deferred`, fix);
  if (usable === 0) return warning('key-unusable', `${path}: no usable key: ${what}`, fix);
  return warning(
    'key-not-used',
    `${path}: ${what}, and is not used; mail is sealed to another key in the file`,
    fix,
  );
}

function excessFinding(path: string, excess: string): Finding {
  const { what, fix } = advised(excess, 'leave fewer keys in the file');
  return error('key-excess', `${path} ${what}; mail for its owner is deferred`, fix);
}

function leftOutFinding(path: string, what: string): Finding {
  return warning(
    'subkey-not-used',
    `${path}: ${what}`,
    'none is needed, if its owner can read mail with the other subkeys',
  );
}

/** Splits a sentence of `keys/words.ts` where it goes on to what has to be done. */
export function advised(sentence: string, otherwise: string): { what: string; fix: string } {
  const [what = '', ...rest] = sentence.split(': ');
  return { what, fix: rest.length > 0 ? rest.join(': ') : otherwise };
}

export async function checkCertificates(
  path: string,
  file: DirectoryEntry,
  settings: Settings,
  now: Date,
): Promise<Finding[]> {
  const found = file.entry.certificates.map(async (each) => [
    ...(await checkEnd(path, each, settings, now)),
    ...checkOwner(path, file, each, addressRules(settings)),
  ]);
  return (await Promise.all(found)).flat();
}

async function checkEnd(
  path: string,
  certificate: Certificate,
  settings: Settings,
  now: Date,
): Promise<Finding[]> {
  const state = await keyStateOf(certificate, now, judgingRulesOf(settings));
  if (state.state !== 'expiring') return [];
  const { fingerprint } = certificate;
  const what = `${path}: ${fingerprint} expires in ${daysLeft(state, now)} days; then ${THEN[settings.keys.unusable]}`;
  return [warning('key-expires', what, 'ask its owner to extend it, and replace the file')];
}

/** Tells of a key whose user IDs name other addresses: a wrong key, or a name that means another address. */
function checkOwner(
  path: string,
  { file, address = '' }: DirectoryEntry,
  { fingerprint, userIds }: Certificate,
  same: SameAddress,
): Finding[] {
  const isNamed = userIds.some((id) => {
    const named = addressOfUserId(id, same)?.toLowerCase();
    return named === undefined
      ? id.toLowerCase().includes(address.toLowerCase())
      : named === address.toLowerCase();
  });
  if (userIds.length === 0 || isNamed) return [];
  const what = `${path}: no user ID of ${fingerprint} names this address (${userIds[0]})`;
  const addresses = userIds.flatMap((id) => addressOfUserId(id, same) ?? []);
  return [
    warning(
      'key-not-theirs',
      what,
      `make sure that it is the right key${renaming(path, stemFor(file, addresses))}`,
    ),
  ];
}

function renaming(path: string, stem: string | undefined): string {
  if (stem === undefined) return '';
  const name = `${stem}${extname(path)}`;
  const isFree = 'why' in look(join(dirname(path), name));
  return isFree ? `, or rename it to ${name}` : `, or remove it and add its keys to ${name}`;
}
