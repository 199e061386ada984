/**
 * The directory of wrapped secret keys: who may look into it, and whether it outlasts a reboot; and the swap,
 * which may have what is typed to open them. Where it is missing nobody has enrolled, and there is nothing to
 * find.
 */
import { realpathSync, type Stats } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { userText } from './accounts.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look } from './look.ts';
import { isInMemory, mountOf } from './mounts.ts';
import { checkSwap } from './swap.ts';
import { serverUid } from './trusted.ts';

export function checkGateway(settings: Settings): Finding[] {
  const { gateway: directory, state } = pathsOf(settings);
  const stats = look(directory);
  if ('why' in stats || !stats.isDirectory()) return []; // closed to the server, as it should be
  return [
    ...checkModes(directory, stats),
    ...checkOwner(directory, stats, settings),
    ...checkPlace(directory, state),
    ...checkSwap(),
  ];
}

function checkModes(directory: string, { mode }: Stats): Finding[] {
  const fix = { command: `chmod 700 ${quoted(directory)}` };
  if ((mode & 0o022) !== 0)
    return [error('gateway-writable', `gateway.directory: others may write to ${directory}`, fix)];
  if ((mode & 0o077) === 0) return [];
  return [warning('gateway-readable', `gateway.directory: others may look into ${directory}`, fix)];
}

/** root may do everything anyway: of a server that runs as root there are findings of their own. */
function checkOwner(directory: string, { uid }: Stats, settings: Settings): Finding[] {
  if (uid !== serverUid(settings) || uid === 0) return [];
  const what = `gateway.directory: ${directory} belongs to ${userText(uid)}, as whom the server runs`;
  return [warning('gateway-server', what, 'give it to a user of its own, with chown -R')];
}

/** The configuration refuses such a path as it is written; a link or a mount may lead there all the same. */
function checkPlace(directory: string, state: string): Finding[] {
  const is = whereItIs(directory, state);
  if (is === undefined) return [];
  const fix = 'move it to a disk, such as /var/lib/sealdir-gateway';
  return [error('gateway-place', `gateway.directory: ${directory} ${is}`, fix)];
}

function whereItIs(directory: string, state: string): string | undefined {
  const real = realOf(directory);
  const isBelow = (parent: string) => `${real}/`.startsWith(`${realOf(parent)}/`);
  if (isBelow('/run')) return 'leads below /run, which is empty after a reboot';
  if (isBelow(state)) return 'leads below store.state, which may be lost';
  const mount = mountOf(real);
  return mount !== undefined && isInMemory(mount) ? `is in memory (${mount.point})` : undefined;
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
