/** The process itself: which user it runs as, and whether it may leave its memory behind in a core dump. */
import { readFileSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { nameOfUser, ownAccount, userText } from './accounts.ts';
import { type Command, type Finding, quoted, warning } from './finding.ts';
import { look } from './look.ts';
import { serverUid } from './trusted.ts';

export function checkProcess(settings: Settings, file: string | undefined): Finding[] {
  return [...checkUser(settings, file), ...checkCoreDumps()];
}

function checkUser(settings: Settings, file: string | undefined): Finding[] {
  const { uid } = ownAccount();
  if (uid === 0) {
    const what = 'this process runs as root: Sealdir needs no more than a user of its own';
    return [warning('process-root', what, checkAs(serverUid(settings), file))];
  }
  const store = look(pathsOf(settings).storeRoot);
  if ('why' in store || store.uid === uid || store.uid === 0) return [];
  const what = `this process runs as ${userText(uid)}, and the store belongs to ${userText(store.uid)}`;
  return [warning('process-user', what, checkAs(store.uid, file))];
}

function checkAs(uid: number, file: string | undefined): Command | string {
  if (uid === 0) return 'make a user for it (config/debian does), and give it the store';
  const name = nameOfUser(uid);
  const as =
    name === undefined ? `setpriv --reuid=${uid} --regid=${uid} --clear-groups` : `runuser -u ${name} --`;
  return { command: `${as} sealdir check${file === undefined ? '' : ` -c ${quoted(file)}`}` };
}

function checkCoreDumps(): Finding[] {
  if (coreLimit() === '0') return [];
  const fix = 'LimitCORE=0 in the systemd unit, or ulimit -c 0 in the shell that starts it';
  return [warning('process-core', 'core dumps are allowed', fix)];
}

/** Returns the limit of this process, or "0" where the system does not tell. */
function coreLimit(): string {
  try {
    return /^Max core file size +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '0';
  } catch {
    return '0';
  }
}
