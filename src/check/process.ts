/** The process itself: which user it runs as, and whether it may leave its memory behind in a core dump. */
import { readFileSync } from 'node:fs';
import { ownAccount } from './accounts.ts';
import { type Finding, warning } from './finding.ts';

export function checkProcess(): Finding[] {
  return [...checkUser(), ...checkCoreDumps()];
}

function checkUser(): Finding[] {
  if (ownAccount().uid !== 0) return [];
  const what = 'this process runs as root: Sealdir needs no more than a user of its own';
  return [warning(what, 'serve as systemd/sealdir.service does, and runuser -u sealdir -- sealdir check')];
}

function checkCoreDumps(): Finding[] {
  if (coreLimit() === '0') return [];
  const what = 'core dumps are allowed: one of the server would hold messages in clear';
  return [warning(what, 'LimitCORE=0 in the systemd unit, or ulimit -c 0 in the shell that starts it')];
}

/** Returns the limit of this process, or "0" where the system does not tell. */
function coreLimit(): string {
  try {
    return /^Max core file size +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '0';
  } catch {
    return '0';
  }
}
