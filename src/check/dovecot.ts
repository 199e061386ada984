/**
 * The Dovecot around the gateway: a second way to check the passwords that open wrapped keys, and places
 * where what the gateway shows would lie in clear. Asks `doveconf` about each file of gateway.dovecot.
 */
import { readFileSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { type Block, doveconf, settingIn } from './doveconf.ts';
import { checkFront } from './dovecotfront.ts';
import { type Enrolled, enrolledIn } from './enrolled.ts';
import { type Finding, note, quoted, warning } from './finding.ts';
import { look } from './look.ts';
import { type Passdb, passdbsOf, userFilesOf } from './passdbs.ts';

/** They have no password of a user to compare with. */
const WITHOUT_HASHES = ['imap', 'oauth2', 'static', 'anonymous'];

export async function checkDovecot(settings: Settings): Promise<Finding[]> {
  const { gateway: directory } = pathsOf(settings);
  if ('why' in look(directory)) return []; // nobody has enrolled
  const enrolled = enrolledIn(directory);
  if (enrolled?.size === 0) return [];
  const ports = settings.gateway.listen.flatMap((each) => ('port' in each ? [each.port] : []));
  const findings: Finding[] = [];
  for (const file of settings.gateway.dovecot) {
    if ('why' in look(file)) continue;
    const config = await doveconf(file);
    if (config === undefined) continue;
    if ('why' in config) {
      const fix = `run doveconf -n -c ${quoted(file)}, and mend what it says`;
      findings.push(note('dovecot-unread', `gateway.dovecot: ${file}: ${config.why}`, fix));
      continue;
    }
    findings.push(
      ...checkHashes(config, enrolled),
      ...checkPasswords(config, file, ports),
      ...checkFront(config, file, ports),
    );
  }
  return findings;
}

function checkHashes(config: Block, enrolled: Enrolled | undefined): Finding[] {
  const userFiles = userFilesOf(config);
  const passdbs = passdbsOf(config).filter(({ driver }) => !WITHOUT_HASHES.includes(driver));
  return passdbs.flatMap((passdb) =>
    passdb.driver === 'passwd-file'
      ? checkList(passdb, enrolled, userFiles.includes(passdb.path))
      : [
          unseen(
            `its passdb ${passdb.driver}`,
            'take the password of each user of sealdir slots list out of it',
          ),
        ],
  );
}

/** `hasUsers`: the same file says who exists, so that its lines have to stay. */
function checkList({ path, isLocal }: Passdb, enrolled: Enrolled | undefined, hasUsers: boolean): Finding[] {
  const text = read(path);
  if (enrolled === undefined || text === undefined)
    return isOwnList(path) ? [] : [unseen(path, 'run sealdir check as root, which may read it')];
  const known = new Map([...enrolled].map(([address, own]) => [isLocal ? localOf(address) : address, own]));
  const names = text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([name = '', hash = '']) => hash !== '' && known.has(name.toLowerCase()))
    .filter(([name = '', hash]) => hash !== known.get(name.toLowerCase()))
    .map(([name = '']) => name);
  const [first] = names;
  if (first === undefined) return [];
  const others = names.length > 1 ? ` and ${names.length - 1} others` : '';
  const what = `${path}: Dovecot has a hash of a password of ${first}${others}, besides the wrapped key`;
  const edits = names.map((name) => {
    const line = name.replaceAll(/[.*[\]^$/\\]/g, '\\$&');
    return `-e ${quoted(hasUsers ? `s/^\\(${line}\\):[^:]*/\\1:/` : `/^${line}:/d`)}`;
  });
  const or = 'leave it, if that password opens no wrapped key';
  return [warning('second-hash', what, { command: `sed -i ${edits.join(' ')} ${quoted(path)}`, or })];
}

/** By the name that it has in README, where its content cannot be read. */
function isOwnList(path: string): boolean {
  return path.endsWith('/sealdir-gateway.passwd');
}

function unseen(where: string, fix: string): Finding {
  const what = `Dovecot compares passwords with ${where}: whether that has users with a wrapped key is not known`;
  return note('second-hash-unseen', what, fix);
}

/** What a Dovecot that asks the gateway keeps of passwords all the same. */
function checkPasswords(config: Block, file: string, ports: readonly number[]): Finding[] {
  if (!passdbsOf(config).some(({ driver, port }) => driver === 'imap' && ports.includes(port))) return [];
  const findings: Finding[] = [];
  const cache = settingIn(config, 'auth_cache_size') ?? '0';
  if (!/^0 *\w*$/.test(cache)) {
    const what = `Dovecot caches what the gateway says of passwords (auth_cache_size = ${cache})`;
    findings.push(warning('password-cache', what, { command: setting(file, 'auth_cache_size = 0') }));
  }
  for (const name of ['auth_verbose_passwords', 'auth_debug_passwords']) {
    const value = settingIn(config, name) ?? 'no';
    if (value === 'no') continue;
    const what = `Dovecot logs passwords (${name} = ${value})`;
    findings.push(warning('password-log', what, { command: setting(file, `${name} = no`) }));
  }
  return findings;
}

/** Returns what puts a line below all others, where it counts. */
export function setting(file: string, line: string): string {
  return `echo ${quoted(line)} >> ${quoted(file)}`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function localOf(address: string): string {
  return address.slice(0, address.lastIndexOf('@'));
}
