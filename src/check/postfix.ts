/**
 * Postfix, where it is installed: whether it can reach the sockets, and settings that lose or change mail.
 */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Settings } from '../config/settings.ts';
import { type Account, accountNamed, groupText, mayUse, ownAccount } from './accounts.ts';
import { type Finding, warning } from './finding.ts';
import { look } from './look.ts';
import { socketPaths } from './sockets.ts';

const ANSWER_MS = 5000;

export async function checkPostfix(settings: Settings): Promise<Finding[]> {
  const values = parametersOf(
    await postconf(['message_size_limit', 'lmtp_line_length_limit', 'mail_owner', 'queue_directory']),
  );
  if (values === undefined) return [];
  const service = await postconf(['-M', 'lmtp/unix']);
  return [
    ...checkSizes(settings, values),
    ...checkReach(settings, values.mail_owner ?? ''),
    ...checkChroot(settings, values.queue_directory ?? '', service),
  ];
}

function checkSizes({ lmtp }: Settings, values: Record<string, string>): Finding[] {
  const findings: Finding[] = [];
  const limit = Number(values.message_size_limit);
  if (limit === 0 || limit > lmtp.max_message_size) {
    const accepted = limit === 0 ? 'any size' : `${limit} bytes`;
    const what = `Postfix accepts messages of ${accepted}, Sealdir only ${lmtp.max_message_size}: the larger ones bounce`;
    const fix = `postconf -e message_size_limit=${lmtp.max_message_size}, or raise lmtp.max_message_size`;
    findings.push(warning(what, fix));
  }
  if (values.lmtp_line_length_limit !== '0') {
    const what = `Postfix folds lines over ${values.lmtp_line_length_limit} bytes before it delivers, which breaks signatures`;
    findings.push(warning(what, 'postconf -e lmtp_line_length_limit=0'));
  }
  return findings;
}

/** Tells whether the user that Postfix delivers as may connect to the sockets. */
function checkReach(settings: Settings, owner: string): Finding[] {
  const account = accountNamed(owner);
  if (account === undefined) return [];
  return socketPaths(settings).flatMap((path) => {
    const closed = closedDirectory(account, path) ?? (mayConnect(account, path, settings) ? undefined : path);
    if (closed === undefined) return [];
    const what = `lmtp.listen: Postfix delivers as user ${owner}, to whom ${closed} is closed`;
    const group = groupOf(closed);
    const joining = `make ${owner} a member of ${groupText(group)} (usermod -aG) and restart Postfix`;
    return [warning(what, group === 0 ? 'give it to a group that is not root' : joining)];
  });
}

function closedDirectory(account: Account, path: string): string | undefined {
  const parents: string[] = [];
  for (let at = dirname(path); parents.at(-1) !== at; at = dirname(at)) parents.push(at);
  return parents.reverse().find((directory) => {
    const stats = look(directory);
    return !('why' in stats) && !mayUse(account, stats, 0o1);
  });
}

/** Of a socket that is not there yet: as the server would make it. */
function mayConnect(account: Account, path: string, { lmtp }: Settings): boolean {
  const stats = look(path);
  if (!('why' in stats)) return mayUse(account, stats, 0o2);
  const { uid, groups } = ownAccount();
  return mayUse(account, { mode: lmtp.socket_mode, uid, gid: groups[0] ?? 0 }, 0o2);
}

function groupOf(path: string): number {
  const stats = look(path);
  return 'why' in stats ? (ownAccount().groups[0] ?? 0) : stats.gid;
}

/** In a chroot, Postfix sees what is below its queue directory and nothing else. */
function checkChroot(settings: Settings, queue: string, service: string | undefined): Finding[] {
  const [, , , , chroot] = service?.trim().split(/\s+/) ?? [];
  if (chroot !== 'y') return [];
  const outside = socketPaths(settings).find((path) => !path.startsWith(`${queue}/`));
  if (outside === undefined) return [];
  const what = `lmtp.listen: Postfix delivers from a chroot, in which there is no ${outside}`;
  return [warning(what, "postconf -F lmtp/unix/chroot=n, or listen on 127.0.0.1 or below Postfix's queue")];
}

function parametersOf(output: string | undefined): Record<string, string> | undefined {
  const lines = output?.trim().split('\n');
  return lines && Object.fromEntries(lines.map((line) => line.split(/ *= */, 2) as [string, string]));
}

/** Returns undefined where there is no Postfix, or none that answers. */
async function postconf(names: string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)('postconf', names, { timeout: ANSWER_MS })).stdout;
  } catch {
    return undefined;
  }
}
