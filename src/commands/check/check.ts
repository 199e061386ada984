/**
 * `sealdir check`: looks at configuration, keys, permissions and the MTA, and says what an
 * operator should mend, each finding with a one-line fix. Changes nothing.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { addressRules } from '../../config/rules.ts';
import type { Settings } from '../../config/settings.ts';
import { KeyDirectory } from '../../keys/directory.ts';
import { describeCertificate, judgeCertificate } from '../../keys/judgement.ts';
import { isUsualName } from '../../keys/names.ts';
import { splitTemplate } from '../../maildir/sweep.ts';

export interface Finding {
  /** `error`: mail is not delivered, or not safe; `warning`: it may come to that. */
  readonly level: 'error' | 'warning';
  readonly what: string;
  readonly fix: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const WARN_DAYS = 30;

export async function checkAll(settings: Settings, now: Date): Promise<Finding[]> {
  return [
    ...checkKeyDirectory(settings),
    ...(await checkKeys(settings, now)),
    ...checkStore(settings),
    ...checkSockets(settings),
    ...checkLimits(settings),
    ...(await checkPostfix(settings)),
  ];
}

function checkKeyDirectory(settings: Settings): Finding[] {
  const path = resolve(settings.keys.directory);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) {
    return [
      { level: 'error', what: `keys.directory: ${path} is no directory`, fix: `mkdir -m 755 '${path}'` },
    ];
  }
  if ((stats.mode & 0o022) === 0) return [];
  const what = `keys.directory: others may write to ${path}, and who may put a key there reads the mail`;
  return [{ level: 'error', what, fix: `chmod go-w '${path}'` }];
}

async function checkKeys(settings: Settings, now: Date): Promise<Finding[]> {
  const path = resolve(settings.keys.directory);
  const same = addressRules(settings);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return []; // checkKeyDirectory has said so
  const keyDirectory = new KeyDirectory(path, same, { now: () => now.getTime() });
  const rows = await keyDirectory.list().catch((error: NodeJS.ErrnoException) => error);
  if (rows instanceof Error) {
    const fix = `chmod a+rx '${path}', or run this check as the user Sealdir runs as`;
    return [{ level: 'error', what: `keys.directory: cannot list ${path} (${rows.code})`, fix }];
  }
  const findings: Finding[] = [];
  if (rows.every(({ address }) => address === undefined)) {
    const fix = `copy a public key there as <address>.asc, e.g. alice@example.com.asc`;
    findings.push({ level: 'warning', what: `${path} holds no key: every recipient is deferred`, fix });
  }
  for (const { file, address, entry, ignored } of rows) {
    if (ignored !== undefined) {
      findings.push({
        level: 'warning',
        what: `${path}/${file}: makes no recipient, since it ${ignored.why}`,
        fix: ignored.fix,
      });
      continue;
    }
    if (
      address !== undefined &&
      !isUsualName(file, address) &&
      rows.some((row) => row.address === address && isUsualName(row.file, address))
    ) {
      const what = `${path}/${file}: not used, since ${address} has a file in the usual spelling`;
      findings.push({ level: 'warning', what, fix: 'remove it, or merge the two' });
    }
    const error = (what: string, fix: string) =>
      findings.push({ level: 'error', what: `${path}/${file}: ${what}`, fix });
    for (const problem of entry.problems) error(problem, 'replace it with the exported public key');
    const judged = await Promise.all(
      entry.certificates.map((each) => judgeCertificate(each, now, settings.keys.subkeys)),
    );
    const reasons = judged.flatMap((each) => ('reason' in each ? [each.reason] : []));
    if (entry.certificates.length > 0 && reasons.length === entry.certificates.length) {
      error(`no usable key: ${reasons.join('; ')}`, 'ask its owner for a valid one and replace the file');
    }
    for (const certificate of entry.certificates) {
      findings.push(
        ...(await checkCertificate(
          `${path}/${file}`,
          address,
          await describeCertificate(certificate, now),
          now,
        )),
      );
    }
  }
  return findings;
}

async function checkCertificate(
  file: string,
  address: string | undefined,
  { fingerprint, userIds, expiresAt }: Awaited<ReturnType<typeof describeCertificate>>,
  now: Date,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const days =
    expiresAt === undefined ? undefined : Math.floor((expiresAt.getTime() - now.getTime()) / DAY_MS);
  if (days !== undefined && days >= 0 && days <= WARN_DAYS) {
    const what = `${file}: ${fingerprint} expires in ${days} days; then its mail waits in the queue`;
    findings.push({ level: 'warning', what, fix: 'ask its owner to extend it, and replace the file' });
  }
  const isNamed =
    address !== undefined && userIds.some((id) => id.toLowerCase().includes(address.toLowerCase()));
  if (userIds.length > 0 && !isNamed) {
    const what = `${file}: no user ID of ${fingerprint} names this address (${userIds[0]})`;
    findings.push({ level: 'warning', what, fix: 'make sure that it is the right key' });
  }
  return findings;
}

function checkStore(settings: Settings): Finding[] {
  const { root } = splitTemplate(resolve(settings.store.maildir));
  const stats = statSync(root, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) {
    const fix = `mkdir -p -m 700 '${root}' and give it to the user Sealdir runs as`;
    return [{ level: 'error', what: `store.maildir: ${root} is no directory`, fix }];
  }
  const findings: Finding[] = [];
  if (!isWritable(root)) {
    const fix = `chown it to the user Sealdir runs as (and run this check as that user)`;
    findings.push({ level: 'error', what: `store.maildir: ${root} is not writable for us`, fix });
  }
  const { bavail, bsize } = statfsSync(root);
  const { min_free_space: least } = settings.store;
  if (bavail * bsize < least) {
    const what = `store.maildir: ${bavail * bsize} bytes are free at ${root}, and below ${least} mail is deferred`;
    findings.push({ level: 'error', what, fix: 'make room, or lower store.min_free_space' });
  }
  if ((stats.mode & 0o007) !== 0) {
    const what = `store.maildir: others may look into ${root}; sender and subject of every message are in clear`;
    findings.push({ level: 'warning', what, fix: `chmod o-rwx '${root}'` });
  }
  return findings;
}

function checkSockets(settings: Settings): Finding[] {
  const findings: Finding[] = [];
  for (const address of settings.lmtp.listen) {
    if (address.type === 'tcp' && !['127.0.0.1', '::1', 'localhost'].includes(address.host)) {
      const what = `lmtp.listen: ${address.host}:${address.port} can be reached from elsewhere, and LMTP asks for no password`;
      findings.push({
        level: 'warning',
        what,
        fix: 'use a Unix socket or 127.0.0.1, or let a firewall admit the mail server only',
      });
    }
    if (address.type !== 'unix') continue;
    const directory = dirname(resolve(address.path));
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
      const fix = `mkdir '${directory}', or RuntimeDirectory= in the systemd unit`;
      findings.push({ level: 'error', what: `lmtp.listen: ${directory} is no directory`, fix });
    }
  }
  if (process.getuid?.() === 0) {
    const fix = 'run it as a user of its own: systemd/sealdir.service does';
    findings.push({ level: 'warning', what: 'this check runs as root; the server should not', fix });
  }
  return findings;
}

function checkLimits(settings: Settings): Finding[] {
  const {
    transaction_timeout: answer,
    stall_timeout: stall,
    max_header_size: header,
    max_message_size: size,
  } = settings.lmtp;
  const findings: Finding[] = [];
  if (answer >= 5 * 60_000) {
    const what = 'lmtp.transaction_timeout: Exim waits 5 minutes, then sends again what was delivered';
    findings.push({ level: 'warning', what, fix: 'set it to "4m"' });
  }
  if (stall >= answer) {
    const what =
      'lmtp.stall_timeout is not below lmtp.transaction_timeout: one slow mailbox makes the others late';
    findings.push({ level: 'warning', what, fix: 'set it to "30s"' });
  }
  if (header > size) {
    const what = 'lmtp.max_header_size is above lmtp.max_message_size and so never met';
    findings.push({ level: 'warning', what, fix: 'lower it' });
  }
  return findings;
}

/** Where Postfix is installed and talks to us: the settings that lose or change messages. */
async function checkPostfix(settings: Settings): Promise<Finding[]> {
  const values = await postconf(['message_size_limit', 'lmtp_line_length_limit']);
  if (values === undefined) return [];
  const findings: Finding[] = [];
  const limit = Number(values.message_size_limit);
  if (limit === 0 || limit > settings.lmtp.max_message_size) {
    const what = `Postfix accepts messages of ${limit === 0 ? 'any size' : `${limit} bytes`}, we only ${settings.lmtp.max_message_size}: the larger ones bounce`;
    findings.push({
      level: 'warning',
      what,
      fix: `postconf -e message_size_limit=${settings.lmtp.max_message_size}, or raise lmtp.max_message_size`,
    });
  }
  if (values.lmtp_line_length_limit !== '0') {
    const what = `Postfix folds lines over ${values.lmtp_line_length_limit} bytes on their way to us, which breaks signatures over them`;
    findings.push({ level: 'warning', what, fix: 'postconf -e lmtp_line_length_limit=0' });
  }
  return findings;
}

async function postconf(names: string[]): Promise<Record<string, string> | undefined> {
  try {
    const { stdout } = await promisify(execFile)('postconf', names, { timeout: 10_000 });
    return Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/ *= */, 2) as [string, string]),
    );
  } catch {
    return undefined; // no Postfix here, or none that answers: nothing to say about it
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
