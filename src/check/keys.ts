/** The key files: which of them cannot be used and why, which soon cannot, and which look like a mistake. */
import { constants } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Certificate } from '../keys/certificates.ts';
import type { KeyDirectory } from '../keys/directory.ts';
import { describeCertificate, judgeCertificate } from '../keys/judgement.ts';
import { isUsualName } from '../keys/names.ts';
import { excessOf } from '../keys/sessionkeys.ts';
import { keyDirectoryOf, pathsOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { namesIn } from './keydirectory.ts';
import { kindOf, look, troubleWithUse } from './look.ts';

type KeyFile = Awaited<ReturnType<KeyDirectory['list']>>[number];

const DAY_MS = 24 * 60 * 60 * 1000;
const WARN_DAYS = 30;
const REPLACE = 'ask its owner for a valid key, and replace the file';

/** Looks at each key file. Trouble with one key is a warning: it concerns one user. */
export async function checkKeys(settings: Settings, now: Date, mostFiles: number): Promise<Finding[]> {
  const path = pathsOf(settings).keys;
  const count = namesIn(path).length;
  if (count > mostFiles) {
    const what = `keys.directory: ${path} has ${count} files, more than are looked at while mail arrives`;
    return [warning(what, 'run sealdir check now and then')];
  }
  const keyDirectory = keyDirectoryOf(settings, { now: () => now.getTime() });
  const files = await keyDirectory.list().catch(() => undefined);
  if (files === undefined) return []; // checkKeyDirectory says why
  const findings = files.flatMap((file) => checkIgnored(join(path, file.file), file));
  const holding = files.filter(({ ignored }) => ignored === undefined);
  if (holding.length === 0) {
    const fix = `copy a public key there as <address>.asc, e.g. alice@example.com.asc`;
    findings.push(warning(`keys.directory: ${path} holds no key, so every recipient is deferred`, fix));
  }
  for (const file of holding) {
    const at = join(path, file.file);
    findings.push(...checkName(at, file, holding));
    const unreadable = checkReading(at);
    if (unreadable !== undefined) findings.push(unreadable);
    else findings.push(...(await checkUse(at, file, settings, now)));
    findings.push(...(await checkCertificates(at, file, now)));
  }
  return findings;
}

function checkIgnored(path: string, { ignored }: KeyFile): Finding[] {
  if (ignored === undefined) return [];
  return [warning(`${path} makes no recipient: it ${ignored.why}`, ignored.fix)];
}

function checkName(path: string, { file, address }: KeyFile, files: readonly KeyFile[]): Finding[] {
  const isHidden =
    address !== undefined &&
    !isUsualName(file, address) &&
    files.some((other) => other.address === address && isUsualName(other.file, address));
  if (!isHidden) return [];
  const what = `${path}: not used, since ${address} has a file in the usual spelling`;
  return [warning(what, 'remove it, or merge the two')];
}

/** Returns what keeps this process from reading a file. It is the operator's to mend, not the key's owner's. */
function checkReading(path: string): Finding | undefined {
  const seen = look(path);
  if ('why' in seen) {
    const { why, closed } = seen;
    const fix = closed === undefined ? 'put the key file there, or remove it' : `chmod a+x ${quoted(closed)}`;
    return error(`${path} ${why}`, fix);
  }
  if (!seen.isFile()) return error(`${path} is ${kindOf(seen)}, not a key file`, 'move it elsewhere');
  const closed = troubleWithUse(path, constants.R_OK);
  return closed && error(`${path} ${closed.why}`, `chmod a+r ${quoted(path)}`);
}

/** Tells whether mail for the owner of this file can be sealed now. */
async function checkUse(path: string, { entry }: KeyFile, settings: Settings, now: Date): Promise<Finding[]> {
  const findings = entry.problems.map((problem) => problemFinding(path, problem));
  const judged = await Promise.all(
    entry.certificates.map((each) =>
      judgeCertificate(each, now, settings.keys.subkeys, settings.keys.unsupported_subkeys),
    ),
  );
  const unfit = judged.filter((each) => 'reason' in each);
  const usable = judged.filter((each) => 'keys' in each);
  const held = unfit.some(({ holdsBack }) => holdsBack === 'recipient');
  const excess = excessOf(usable);
  const state = usable.length === 0 || held ? 'no usable key' : 'not used';
  findings.push(...unfit.map(({ reason }) => warning(`${path}: ${state}: ${reason}`, REPLACE)));
  if (excess !== undefined) findings.push(warning(`${path}: no usable key: ${excess}`, REPLACE));
  return [
    ...findings,
    ...usable.flatMap(({ leftOut }) => leftOut.map((each) => warning(`${path}: ${each}`, REPLACE))),
  ];
}

function problemFinding(path: string, problem: string): Finding {
  const isExposed = problem.includes('SECRET key');
  return (isExposed ? error : warning)(`${path}: ${problem}`, 'replace it with the exported public key');
}

async function checkCertificates(path: string, { address, entry }: KeyFile, now: Date): Promise<Finding[]> {
  const found = entry.certificates.map((each) => checkCertificate(path, address, each, now));
  return (await Promise.all(found)).flat();
}

async function checkCertificate(
  path: string,
  address: string | undefined,
  certificate: Certificate,
  now: Date,
): Promise<Finding[]> {
  const { fingerprint, userIds, expiresAt } = await describeCertificate(certificate, now);
  const findings: Finding[] = [];
  const days =
    expiresAt === undefined ? undefined : Math.floor((expiresAt.getTime() - now.getTime()) / DAY_MS);
  if (days !== undefined && days >= 0 && days <= WARN_DAYS) {
    const what = `${path}: ${fingerprint} expires in ${days} days; then its mail waits in the queue`;
    findings.push(warning(what, 'ask its owner to extend it, and replace the file'));
  }
  const isNamed =
    address !== undefined && userIds.some((id) => id.toLowerCase().includes(address.toLowerCase()));
  if (userIds.length > 0 && !isNamed) {
    const what = `${path}: no user ID of ${fingerprint} names this address (${userIds[0]})`;
    findings.push(warning(what, 'make sure that it is the right key'));
  }
  return findings;
}
