/** The socket of `sealdir owners`: whether it is there, and who may write as other users through it. */
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look } from './look.ts';

export function checkOwners({ owners, recipients }: Settings): Finding[] {
  if (owners.socket === '') {
    if (recipients.source !== 'passwd' || recipients.roots.length === 0) return [];
    const what = 'recipients.roots: mailboxes are in the homes of users, and their files would not be theirs';
    return [
      warning(
        'owners-homes',
        what,
        'set owners.socket and start sealdir owners, or use store.maildir instead',
      ),
    ];
  }
  const path = resolve(owners.socket);
  const stats = look(path);
  if ('why' in stats) {
    const what = `owners.socket: ${path} ${stats.why}; mail for recipients with a uid is deferred`;
    return [error('owners-missing', what, { command: 'systemctl enable --now sealdir-owners.socket' })];
  }
  if (!stats.isSocket())
    return [
      error('owners-missing', `owners.socket: ${path} is no socket`, {
        command: `rm -r ${quoted(path)} && systemctl restart sealdir-owners.socket`,
      }),
    ];
  if ((stats.mode & 0o077) !== 0)
    return [
      error(
        'owners-open',
        `owners.socket: others than user ${stats.uid} may write as any user from owners.min_uid on`,
        { command: `chmod 600 ${quoted(path)}` },
      ),
    ];
  const own = process.geteuid?.();
  if (own === 0 || own === stats.uid) return [];
  const what = `owners.socket: ${path} is for user ${stats.uid}, not for ${own}`;
  return [
    error('owners-user', what, { command: `chown ${own} ${quoted(path)}`, or: 'SocketUser= in its unit' }),
  ];
}
