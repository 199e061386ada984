/** Whether another user, the one that a mail server delivers as, may connect to the sockets. */
import { dirname } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { type Account, mayUse, ownAccount } from './accounts.ts';
import { look } from './look.ts';
import { socketPaths } from './sockets.ts';

/** What is closed to them: the socket, or a directory on the way. */
export interface Closed {
  readonly path: string;
  /** The group that may pass. */
  readonly group: number;
}

/** Returns what is closed to an account, of the sockets in `paths` or of all. */
export function closedTo(
  account: Account,
  settings: Settings,
  paths: readonly string[] = socketPaths(settings),
): Closed[] {
  return paths.flatMap((path) => {
    const closed = closedDirectory(account, path) ?? (mayConnect(account, path, settings) ? undefined : path);
    return closed === undefined ? [] : [{ path: closed, group: groupOf(closed) }];
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
