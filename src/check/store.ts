/** The store: whether mail can be written there, whether there is room, and who may look into it. */
import { constants, statfsSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { ownAccount, userText } from './accounts.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look, troubleWithDirectory, troubleWithUse } from './look.ts';

/** Looks at the directories that all mailboxes are under. */
export function checkStore(settings: Settings): Finding[] {
  const { roots } = settings.recipients;
  return [
    ...checkRoot('store.maildir', pathsOf(settings).storeRoot, settings),
    ...roots.flatMap((root) => checkRoot('recipients.roots', root, settings)),
  ];
}

function checkRoot(setting: string, root: string, settings: Settings): Finding[] {
  const trouble = troubleWithDirectory(root);
  if (trouble !== undefined) {
    const fix = `mkdir -p -m 700 ${quoted(root)} and give it to the user Sealdir runs as`;
    return [error(`${setting}: ${root} ${trouble.why}`, fix)];
  }
  return [
    ...checkWriting(setting, root),
    ...checkRoom(setting, root, settings),
    ...checkModes(setting, root),
  ];
}

function checkWriting(setting: string, root: string): Finding[] {
  const trouble = troubleWithUse(root, constants.W_OK | constants.X_OK);
  if (trouble === undefined) return [];
  const { uid } = ownAccount();
  const fix = `chown ${uid} ${quoted(root)}, if ${userText(uid)} is the one that Sealdir runs as`;
  return [error(`${setting}: ${root} ${trouble.why}`, fix)];
}

function checkRoom(setting: string, root: string, { store }: Settings): Finding[] {
  const { bavail, bsize } = statfsSync(root);
  const { min_free_space: least } = store;
  if (bavail * bsize >= least) return [];
  const what = `${setting}: ${bavail * bsize} bytes are free at ${root}, and mail is deferred below ${least}`;
  return [error(what, 'make room, or lower store.min_free_space')];
}

function checkModes(setting: string, root: string): Finding[] {
  const stats = look(root);
  if ('why' in stats || (stats.mode & 0o027) === 0) return [];
  const fix = `chmod g-w,o-rwx ${quoted(root)}`;
  if ((stats.mode & 0o022) !== 0)
    return [warning(`${setting}: others may write to ${root}, and so delete mail or lead it away`, fix)];
  const what = `${setting}: others may look into ${root}, where sender and subject of every message are in clear`;
  return [warning(what, fix)];
}
