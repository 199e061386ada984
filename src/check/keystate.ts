/**
 * The directory of what is remembered about keys: whether changes of keys can be noticed at all, who may look
 * into it, and whether the key log is what it was.
 */
import { constants, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { StateFiles } from '../keylog/files.ts';
import { LOG_FILE } from '../keylog/keylog.ts';
import { whyUnfit } from '../keylog/statedirectory.ts';
import { verify } from '../keylog/verify.ts';
import { pathsOf } from '../site.ts';
import { ownAccount, userText } from './accounts.ts';
import { type Command, error, type Finding, quoted, warning } from './finding.ts';
import { look, lookAtLink, type Trouble, troubleWithDirectory, troubleWithUse } from './look.ts';
import { serverUid } from './trusted.ts';

export function checkKeyState(settings: Settings): Finding[] {
  const { keyState } = pathsOf(settings);
  const trouble = troubleWithDirectory(keyState);
  if (trouble !== undefined) return checkMaking(keyState, trouble, settings);
  const closed = troubleWithUse(keyState, constants.R_OK | constants.W_OK | constants.X_OK);
  if (closed !== undefined) return [unwatched(`${keyState} ${closed.why}`, fixFor(keyState))];
  const unfit = whyUnfit(keyState);
  if (unfit !== undefined) return [unwatched(unfit, fixFor(keyState))];
  return [...checkMode(keyState), ...checkOwners(keyState), ...checkLog(keyState)];
}

/** Whom it belongs to comes first: a mode is of no use to anybody else. */
function fixFor(path: string): Command {
  const stats = look(path);
  const { uid } = ownAccount();
  if ('why' in stats || uid === 0 || stats.uid === uid) return { command: `chmod 700 ${quoted(path)}` };
  return { command: `chown -R ${uid} ${quoted(path)} && chmod 700 ${quoted(path)}` };
}

/** root may have put something there, with another program. */
function checkOwners(path: string): Finding[] {
  const directory = look(path);
  if ('why' in directory) return [];
  for (const name of readdirSync(path)) {
    const stats = lookAtLink(join(path, name));
    if ('why' in stats || stats.uid === directory.uid) continue;
    const owners = `${userText(stats.uid)}, and not to ${userText(directory.uid)} as the directory`;
    const what = `keys.state: ${join(path, name)} belongs to ${owners}`;
    return [error('keystate-owner', what, { command: `chown -R ${directory.uid} ${quoted(path)}` })];
  }
  return [];
}

/** The server makes the directory itself, but not its parents. */
function checkMaking(path: string, trouble: Trouble, settings: Settings): Finding[] {
  if (!trouble.isMissing) return [unwatched(`${path} ${trouble.why}`, 'set it to a directory')];
  const parent = dirname(path);
  const missing = troubleWithDirectory(parent);
  const closed = missing ?? troubleWithUse(parent, constants.W_OK | constants.X_OK);
  if (closed === undefined) return [];
  const command = `install -d -m 700 -o ${serverUid(settings)} ${quoted(path)}`;
  const fix = { command, or: 'StateDirectory= in the systemd unit' };
  return [unwatched(`${path} does not exist, and cannot be made: ${parent} ${closed.why}`, fix)];
}

function unwatched(why: string, fix: string | Command): Finding {
  return error('keystate-unfit', `keys.state: ${why}`, fix);
}

function checkMode(path: string): Finding[] {
  const stats = look(path);
  if ('why' in stats || (stats.mode & 0o077) === 0) return [];
  const what = `keys.state: others may look into ${path}`;
  return [warning('keystate-readable', what, { command: `chmod 700 ${quoted(path)}` })];
}

function checkLog(directory: string): Finding[] {
  try {
    const bytes = new StateFiles(directory).read(LOG_FILE);
    const { problem } = verify(bytes ?? Buffer.alloc(0));
    // a half line is cut off by the server: it may be writing it now
    if (problem === undefined || problem.what.startsWith('is cut off')) return [];
    const what = `keys.state: ${directory}/${LOG_FILE}: line ${problem.line} ${problem.what}`;
    return [
      error(
        'keystate-log',
        what,
        'find out who edited it, and compare the keys with those that their owners have',
      ),
    ];
  } catch (failure) {
    const what = `keys.state: ${directory}/${LOG_FILE} cannot be read (${(failure as Error).message})`;
    const path = quoted(join(directory, LOG_FILE));
    const owner = look(directory);
    const giving = 'why' in owner ? '' : `chown ${owner.uid} ${path} && `;
    return [error('keystate-log', what, { command: `${giving}chmod 600 ${path}` })];
  }
}
