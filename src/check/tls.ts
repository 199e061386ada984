/** What is shown to clients of TLS: whether it can be used, for how long, and who may read the keys. */
import type { X509Certificate } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { leafOf, readTls } from '../edge/certificates.ts';
import { tlsFilesOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look } from './look.ts';
import { Trail } from './trail.ts';
import { trustedUsers } from './trusted.ts';

const DAY_MS = 24 * 3600_000;
/** Certificates that are renewed by a program have more left. */
const SOON_DAYS = 14;

export async function checkTls(settings: Settings, now: Date): Promise<Finding[]> {
  const files = tlsFilesOf(settings);
  const { keys, clientCa } = files;
  const secrets = [...keys.flatMap(checkSecrecy), ...checkReplacement([...keys, clientCa], settings)];
  try {
    const material = await readTls(files);
    const leaves = material?.certificates.map(leafOf) ?? [];
    const found = leaves.flatMap((leaf, n) =>
      checkCertificate(files.certificates[n] ?? '', leaf, settings, now),
    );
    return [...found, ...secrets];
  } catch (fault) {
    const what = fault instanceof Error ? fault.message : String(fault);
    return [error('tls-unusable', what, 'put a certificate and its own key there, readable for the server')];
  }
}

function checkCertificate(path: string, leaf: X509Certificate, { hostname }: Settings, now: Date): Finding[] {
  const findings: Finding[] = [];
  const days = Math.floor((Date.parse(leaf.validTo) - now.getTime()) / DAY_MS);
  if (days < 0)
    findings.push(
      error('tls-expired', `tls.certificate: ${path} has expired on ${leaf.validTo}`, 'renew it'),
    );
  else if (days < SOON_DAYS)
    findings.push(warning('tls-expires', `tls.certificate: ${path} expires in ${days} days`, 'renew it'));
  if (Date.parse(leaf.validFrom) > now.getTime())
    findings.push(
      error(
        'tls-expired',
        `tls.certificate: ${path} is valid only from ${leaf.validFrom} on`,
        'set the clock',
      ),
    );
  if (leaf.checkHost(hostname) === undefined) {
    const what = `tls.certificate: ${path} is not for ${hostname}, the hostname of this server`;
    findings.push(
      warning('tls-name', what, 'none is needed if mail servers know it by a name that is in there'),
    );
  }
  return findings;
}

/** Whoever has the key can pass for this server. */
function checkSecrecy(path: string): Finding[] {
  const seen = look(path);
  if ('why' in seen || (seen.mode & 0o004) === 0) return [];
  const fix = { command: `chmod o= ${quoted(path)}` };
  return [error('tls-key-readable', `tls.key: every user of this machine may read ${path}`, fix)];
}

/** Whoever may write to one of them can pass for this server, or deliver to it. */
function checkReplacement(paths: readonly string[], settings: Settings): Finding[] {
  const trail = new Trail(trustedUsers(settings));
  return paths
    .filter((path) => path !== '')
    .flatMap((path) => trail.gaps(path))
    .map(({ path, who, command }) =>
      error('tls-files-open', `tls.key, tls.client_ca: ${who} may exchange ${path}`, {
        command: `${command} ${quoted(path)}`,
      }),
    );
}
