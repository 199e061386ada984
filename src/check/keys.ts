/**
 * The files of the key directory: those that make no recipient, that cannot be read, or that are not used.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { partsOf, splitDetail } from '../core/address.ts';
import type { DirectoryEntry } from '../keys/listing.ts';
import { isUsualName } from '../keys/names.ts';
import { WORDS } from '../keys/words.ts';
import { keyDirectoryOf, pathsOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { namesIn } from './keydirectory.ts';
import { advised, checkCertificates, checkUse } from './keyuse.ts';
import { kindOf, look, troubleWithUse } from './look.ts';
import { checkMailboxes } from './mailboxes.ts';

/** Looks at each key file. Trouble with one key is a warning: it concerns one user. */
export async function checkKeys(settings: Settings, now: Date, mostFiles: number): Promise<Finding[]> {
  const path = pathsOf(settings).keys;
  const count = namesIn(path).length;
  if (count > mostFiles) {
    const what = `keys.directory: ${path} has ${count} files, more than are looked at while mail arrives`;
    return [warning('keys-many', what, { command: 'sealdir check', or: 'name the configuration with -c' })];
  }
  const keyDirectory = keyDirectoryOf(settings, { now: () => now.getTime() });
  const files = await keyDirectory.list().catch(() => undefined);
  if (files === undefined) return []; // checkKeyDirectory says why
  const findings = files.flatMap((file) => checkIgnored(join(path, file.file), file));
  const holding = files.filter(({ ignored }) => ignored === undefined);
  if (holding.length === 0) {
    const fix = 'sealdir key add --as alice@example.com FILE, with the public key of a user';
    findings.push(
      warning('keys-none', `keys.directory: ${path} holds no key, so every recipient is deferred`, fix),
    );
  }
  for (const file of holding) {
    const at = join(path, file.file);
    findings.push(...checkName(at, file, holding));
    const unreadable = checkReading(at);
    if (unreadable !== undefined) findings.push(unreadable);
    else findings.push(...(await checkUse(at, file, settings, now)));
    findings.push(...(await checkCertificates(at, file, settings, now)));
  }
  const addresses = holding.flatMap(({ address }) => address ?? []);
  return [...findings, ...checkDetails(addresses, settings), ...checkMailboxes(addresses, settings)];
}

/** Tells of addresses whose details are somebody else's: an address is split at the first delimiter. */
function checkDetails(addresses: readonly string[], { recipients }: Settings): Finding[] {
  return [...new Set(addresses)].flatMap((address) => {
    const parts = partsOf(address);
    const split = splitDetail(parts, recipients.delimiter);
    if (split === undefined) return [];
    const [other, detail] = [split.address.local, `${parts.local}${recipients.delimiter[0]}x`];
    const what = `recipients.delimiter: ${address} has one in it, so mail for ${detail} is for ${other}`;
    return [warning('key-delimiter', what, 'choose other delimiters, if its owner uses details')];
  });
}

/** Tells of a file that makes no recipient, and the name it should have. */
function checkIgnored(path: string, { ignored }: DirectoryEntry): Finding[] {
  if (ignored === undefined) return [];
  if (ignored.isExposed) return [error('key-secret', `${path} ${ignored.why}`, ignored.fix)];
  return [warning('key-file-ignored', `${path} makes no recipient: it ${ignored.why}`, ignored.fix)];
}

function checkName(
  path: string,
  { file, address }: DirectoryEntry,
  files: readonly DirectoryEntry[],
): Finding[] {
  if (address === undefined || isUsualName(file, address)) return [];
  if (!files.some((other) => other.address === address && isUsualName(other.file, address))) return [];
  const { what, fix } = advised(WORDS.hidden(address), 'remove it');
  return [warning('key-file-hidden', `${path} ${what}`, fix)];
}

/**
 * Returns what keeps this process from reading a file. It is the operator's to mend, not the key's owner's.
 */
function checkReading(path: string): Finding | undefined {
  const seen = look(path);
  if ('why' in seen) {
    const { why, closed } = seen;
    const fix =
      closed === undefined
        ? 'put the key file there, or remove it'
        : { command: `chmod a+x ${quoted(closed)}` };
    return error('key-file-closed', `${path} ${why}`, fix);
  }
  if (!seen.isFile())
    return error('key-file-closed', `${path} is ${kindOf(seen)}, not a key file`, 'move it elsewhere');
  const closed = troubleWithUse(path, constants.R_OK);
  return (
    closed && error('key-file-closed', `${path} ${closed.why}`, { command: `chmod a+r ${quoted(path)}` })
  );
}
