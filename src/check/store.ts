/** The store: whether mail can be written there, whether there is room, and who may look into it. */
import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { error, type Finding, warning } from './finding.ts';

export function checkStore(settings: Settings): Finding[] {
  const { storeRoot: root } = pathsOf(settings);
  const stats = statSync(root, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) {
    const fix = `mkdir -p -m 700 '${root}' and give it to the user Sealdir runs as`;
    return [error(`store.maildir: ${root} is no directory`, fix)];
  }
  const findings: Finding[] = [];
  if (!isWritable(root)) {
    const fix = `chown it to the user Sealdir runs as (and run this check as that user)`;
    findings.push(error(`store.maildir: ${root} is not writable for us`, fix));
  }
  const { bavail, bsize } = statfsSync(root);
  const { min_free_space: least } = settings.store;
  if (bavail * bsize < least) {
    const what = `store.maildir: ${bavail * bsize} bytes are free at ${root}, and below ${least} mail is deferred`;
    findings.push(error(what, 'make room, or lower store.min_free_space'));
  }
  if ((stats.mode & 0o007) !== 0) {
    const what = `store.maildir: others may look into ${root}; sender and subject of every message are in clear`;
    findings.push(warning(what, `chmod o-rwx '${root}'`));
  }
  return findings;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
