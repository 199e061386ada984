/** The state directory: whether deliveries can be remembered there, and who may look into it. */
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { whyUnfit } from '../duplicates/statedirectory.ts';
import { pathsOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look, type Trouble, troubleWithDirectory, troubleWithUse } from './look.ts';

export async function checkState(settings: Settings): Promise<Finding[]> {
  if (settings.store.duplicates === 0) return [];
  const { state } = pathsOf(settings);
  const trouble = troubleWithDirectory(state);
  if (trouble !== undefined) return checkMaking(state, trouble);
  const closed = troubleWithUse(state, constants.R_OK | constants.W_OK | constants.X_OK);
  if (closed !== undefined) return [forgetful(`${state} ${closed.why}`, `chmod 700 ${quoted(state)}`)];
  const modes = checkModes(state);
  if (modes.some(({ level }) => level === 'error')) return modes;
  const unfit = await whyUnfit(state);
  return unfit === undefined ? modes : [...modes, forgetful(unfit, 'give it a directory of its own in /run')];
}

/** The server makes the directory itself, but not its parents. */
function checkMaking(state: string, trouble: Trouble): Finding[] {
  if (!trouble.isMissing) return [forgetful(`${state} ${trouble.why}`, 'set it to a directory')];
  const parent = dirname(state);
  const missing = troubleWithDirectory(parent);
  const closed = missing ?? troubleWithUse(parent, constants.W_OK | constants.X_OK);
  if (closed === undefined) return [];
  const fix = `install -d -m 700 ${quoted(state)}, or RuntimeDirectory= in the systemd unit`;
  return [forgetful(`${state} cannot be made: ${parent} ${closed.why}`, fix)];
}

function forgetful(why: string, fix: string): Finding {
  const what = `store.state: ${why}; each process remembers alone, so a message may come twice`;
  return warning(what, fix);
}

/** Whoever can read the secret there can find out whether a message that they know has come. */
function checkModes(state: string): Finding[] {
  const stats = look(state);
  if ('why' in stats || (stats.mode & 0o077) === 0) return [];
  const fix = `chmod 700 ${quoted(state)}`;
  if ((stats.mode & 0o022) !== 0)
    return [error(`store.state: others may write to ${state}, and so have mail taken for a duplicate`, fix)];
  return [warning(`store.state: others may look into ${state}, which is for Sealdir alone`, fix)];
}
