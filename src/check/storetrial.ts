/**
 * Does in the store what a delivery does: writes a file in a tmp/, fsyncs it, renames it into a new/, fsyncs
 * that, and removes everything again. For the command alone: a server that starts delivers instead.
 */

import { constants } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import { pathsOf } from '../site.ts';
import { type Command, error, type Finding, note, quoted, warning } from './finding.ts';
import { troubleWithDirectory, troubleWithUse } from './look.ts';
import { dangersOf, glusterVolumeOf, isInMemory, mountOf } from './mounts.ts';

const WAIT_MS = 10_000;
/** Hidden, so that it is no mailbox even if it is left behind. */
const PREFIX = '.sealdir-check-';

/** Tries every directory that mailboxes are under. */
export async function tryStore(settings: Settings): Promise<Finding[]> {
  const { storeRoot } = pathsOf(settings);
  const found = [await tryRoot('store.maildir', storeRoot)];
  // mailboxes of owners are made by another process, as other users
  const roots = settings.owners.socket === '' ? settings.recipients.roots : [];
  for (const root of roots) found.push(await tryRoot('recipients.roots', root));
  return found.flat();
}

async function tryRoot(setting: string, root: string): Promise<Finding[]> {
  if (troubleWithDirectory(root) !== undefined) return []; // checkStore says so
  const mounted = checkMount(setting, root);
  const closed = troubleWithUse(root, constants.W_OK | constants.X_OK);
  if (closed?.isReadOnly) return [...mounted, readOnly(setting, root)];
  if (closed !== undefined) return mounted; // checkStore says so
  const steps = new Steps();
  try {
    const done = await within(deliver(root, steps), WAIT_MS);
    if (done !== 'late') return mounted;
    const what = `${setting}: ${steps.last} in ${root} had no answer in ${WAIT_MS / 1000} s`;
    return [...mounted, error('store-unsafe', what, 'find out whether its disk or its server is down')];
  } catch (fault) {
    return [...mounted, failed(setting, root, steps.last, fault as NodeJS.ErrnoException)];
  }
}

/** What is being done, for the finding. */
class Steps {
  last = 'mkdir';

  async do<T>(name: string, call: Promise<T>): Promise<T> {
    this.last = name;
    return call;
  }
}

async function deliver(root: string, steps: Steps): Promise<void> {
  const directory = await steps.do('mkdir', mkdtemp(join(root, PREFIX)));
  try {
    const [tmp, into] = [join(directory, 'tmp'), join(directory, 'new')];
    for (const each of [tmp, into]) await steps.do('mkdir', mkdir(each, { mode: 0o700 }));
    const file = await steps.do('open', open(join(tmp, 'trial'), 'wx', 0o600));
    try {
      await steps.do('write', file.writeFile('sealdir check\n'));
      await steps.do('fsync', file.sync());
    } finally {
      await file.close();
    }
    await steps.do('rename', rename(join(tmp, 'trial'), join(into, 'trial')));
    const handle = await steps.do('open', open(into, 'r'));
    try {
      await steps.do('fsync of a directory', handle.sync());
    } finally {
      await handle.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function failed(setting: string, root: string, step: string, { code = '' }: NodeJS.ErrnoException): Finding {
  if (code === 'EROFS') return readOnly(setting, root);
  const what = `${setting}: ${step} fails in ${root} (${code})`;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return error('store-full', what, 'make room: bytes or inodes are used up, or a quota is');
  return error(
    'store-unsafe',
    what,
    'look into the log of the kernel (dmesg), or put the store on another disk',
  );
}

function readOnly(setting: string, root: string): Finding {
  const point = mountOf(root)?.point ?? root;
  const fix: Command = { command: `mount -o remount,rw ${quoted(point)}`, or: 'look into dmesg first' };
  return error('store-unsafe', `${setting}: ${root} is on a file system that is mounted read-only`, fix);
}

function checkMount(setting: string, root: string): Finding[] {
  const mount = mountOf(root);
  if (mount === undefined) return [];
  const found = dangersOf(mount).map((danger) =>
    warning('store-mount', `${setting}: ${mount.point} ${danger}`, `mount it without that option`),
  );
  const volume = glusterVolumeOf(mount);
  if (volume !== undefined) found.push(unseen(setting, mount.point, volume));
  if (!isInMemory(mount)) return found;
  const what = `${setting}: ${root} is in memory (${mount.type}): all mail is gone after a reboot`;
  return [...found, note('store-mount', what)];
}

/** The options of a volume are known to its servers only. README ("Several hosts") says which to have. */
function unseen(setting: string, point: string, volume: string): Finding {
  const what = `${setting}: ${point} is GlusterFS, whose options are not seen from here`;
  const options =
    'cluster.quorum-type|cluster.ensure-durability|network.ping-timeout|write-behind|flush-behind';
  return note('store-mount', what, {
    command: `gluster volume get ${quoted(volume)} all | grep -E '${options}'`,
    or: 'on one of its servers: README, "Several hosts", says what they should be',
  });
}
