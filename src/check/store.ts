/** The store: whether mail can be written there, whether there is room, and who may look into it. */
import { constants, statfsSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { userText } from './accounts.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look, troubleWithDirectory, troubleWithUse } from './look.ts';
import { serverUid } from './trusted.ts';

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
    const command = `install -d -m 700 -o ${serverUid(settings)} ${quoted(root)}`;
    return [
      error('store-missing', `${setting}: ${root} ${trouble.why}`, {
        command,
        or: 'mount what belongs there',
      }),
    ];
  }
  return [
    ...checkWriting(setting, root, settings),
    ...checkRoom(setting, root, settings),
    ...checkModes(setting, root),
  ];
}

function checkWriting(setting: string, root: string, settings: Settings): Finding[] {
  const trouble = troubleWithUse(root, constants.W_OK | constants.X_OK);
  if (trouble === undefined) return [];
  if (trouble.isReadOnly) return []; // storetrial.ts says so
  const uid = serverUid(settings);
  const command = `chown ${uid} ${quoted(root)} && chmod u+rwx ${quoted(root)}`;
  const or = `run check as the user of Sealdir, if that is not ${userText(uid)}`;
  return [error('store-closed', `${setting}: ${root} ${trouble.why}`, { command, or })];
}

function checkRoom(setting: string, root: string, { store }: Settings): Finding[] {
  const { bavail, bsize } = statfsSync(root);
  const { min_free_space: least } = store;
  if (bavail * bsize >= least) return [];
  const what = `${setting}: ${bavail * bsize} bytes are free at ${root}, and mail is deferred below ${least}`;
  return [error('store-full', what, 'make room, or lower store.min_free_space')];
}

function checkModes(setting: string, root: string): Finding[] {
  const stats = look(root);
  if ('why' in stats || (stats.mode & 0o027) === 0) return [];
  const fix = { command: `chmod g-w,o-rwx ${quoted(root)}` };
  if ((stats.mode & 0o022) !== 0)
    return [warning('store-writable', `${setting}: others may write to ${root}`, fix)];
  return [warning('store-readable', `${setting}: others may look into ${root}`, fix)];
}
