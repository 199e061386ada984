/** The state directory: whether deliveries can be remembered there, and who may look into it. */
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { whyUnfit } from '../duplicates/statedirectory.ts';
import { pathsOf } from '../site.ts';
import { type Command, error, type Finding, quoted, warning } from './finding.ts';
import { look, type Trouble, troubleWithDirectory, troubleWithUse } from './look.ts';
import { serverUid } from './trusted.ts';

export async function checkState(settings: Settings): Promise<Finding[]> {
  if (settings.store.duplicates === 0) return [];
  const { state } = pathsOf(settings);
  const trouble = troubleWithDirectory(state);
  if (trouble !== undefined) return checkMaking(state, trouble, settings);
  const closed = troubleWithUse(state, constants.R_OK | constants.W_OK | constants.X_OK);
  if (closed !== undefined) return [forgetful(`${state} ${closed.why}`, fixFor(state, settings))];
  const modes = checkModes(state);
  if (modes.some(({ level }) => level === 'error')) return modes;
  const unfit = await whyUnfit(state);
  return unfit === undefined
    ? modes
    : [
        ...modes,
        forgetful(unfit, {
          command: `mv ${quoted(state)} ${quoted(`${state}.aside`)}`,
          or: 'set it to another directory',
        }),
      ];
}

/** The server makes the directory itself, but not its parents. */
function checkMaking(state: string, trouble: Trouble, settings: Settings): Finding[] {
  if (!trouble.isMissing) return [forgetful(`${state} ${trouble.why}`, 'set it to a directory')];
  const parent = dirname(state);
  const missing = troubleWithDirectory(parent);
  const closed = missing ?? troubleWithUse(parent, constants.W_OK | constants.X_OK);
  if (closed === undefined) return [];
  const command = `install -d -m 700 -o ${serverUid(settings)} ${quoted(state)}`;
  const fix = { command, or: 'RuntimeDirectory= in the systemd unit' };
  return [forgetful(`${state} cannot be made: ${parent} ${closed.why}`, fix)];
}

function forgetful(why: string, fix: string | Command): Finding {
  return warning('state-unfit', `store.state: ${why}`, fix);
}

function fixFor(state: string, settings: Settings): Command {
  return { command: `chown -R ${serverUid(settings)} ${quoted(state)} && chmod 700 ${quoted(state)}` };
}

/** Whoever can read the secret there can find out whether a message that they know has come. */
function checkModes(state: string): Finding[] {
  const stats = look(state);
  if ('why' in stats || (stats.mode & 0o077) === 0) return [];
  const fix = { command: `chmod 700 ${quoted(state)}` };
  if ((stats.mode & 0o022) !== 0)
    return [error('state-writable', `store.state: others may write to ${state}`, fix)];
  return [warning('state-readable', `store.state: others may look into ${state}`, fix)];
}
