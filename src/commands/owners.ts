/**
 * `sealdir owners`: the parent of those who write the files of other users, in the foreground until a signal
 * ends it. It reads the configuration, and nothing else of the site.
 */
import { lchownSync, lstatSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { processesOf } from '../config/processes.ts';
import type { Settings } from '../config/settings.ts';
import type { InheritedSocket } from '../core/listener.ts';
import type { Activation } from '../edge/activation.ts';
import { claimPaths, listenOn, listenOnDescriptor } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { mustBeOwn } from '../owners/ownpath.ts';
import { Owners } from '../owners/parent.ts';
import { pathsOf } from '../site.ts';
import { CommandError } from './errors.ts';
import { openHelperLog } from './openlog.ts';

export interface OwnersCommand {
  readonly settings: Settings;
  readonly activation: Activation;
  readonly journal: string | undefined;
}

/** Whoever may connect can deliver to any user that is not refused. */
const SOCKET_MODE = 0o600;
const OTHERS_WRITE = 0o022;

/** Serves until a signal. Resolves to the exit code. */
export async function serveOwners({ settings, activation, journal }: OwnersCommand): Promise<number> {
  const { owners, recipients } = settings;
  if (owners.socket === '') throw new CommandError('config', 'owners.socket is not set');
  if (process.geteuid?.() !== 0)
    throw new CommandError('config', 'sealdir owners has to run as root, to write as other users');
  const stopped = new Promise((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  });
  const log = openHelperLog({ settings, file: undefined, journal, world: realWorld(settings.hostname) });
  for (const error of activation.complaints) log.warn('systemd', { error });
  const parent = new Owners({
    socket: resolve(owners.socket),
    minUid: owners.min_uid,
    minGid: owners.min_gid,
    mostWriters: owners.writers,
    // one for each process, and those of a server that is being replaced
    mostOfUser: 2 * processesOf(settings) + 1,
    roots: [pathsOf(settings).storeRoot, ...recipients.roots],
    say: log.say,
  });
  const at = await listen(parent, owners, activation.inherited).catch((error: Error) => {
    throw new CommandError('config', `owners.socket: ${error.message}`);
  });
  log.info('listening', { owners: at });
  await stopped;
  parent.close();
  log.info('stopped');
  return 0;
}

async function listen(
  { server }: Owners,
  { socket, user }: Settings['owners'],
  [inherited]: readonly InheritedSocket[],
): Promise<string> {
  if (inherited !== undefined) return listenOnDescriptor(server, inherited.fd);
  const path = resolve(socket);
  if (user === 0) throw new Error('set owners.user, or let systemd pass the socket');
  mustBeOfRoot(dirname(path));
  const listener = { type: 'unix', path } as const;
  await claimPaths([listener]);
  const at = await listenOn(server, listener, SOCKET_MODE);
  lchownSync(path, user, 0);
  return at;
}

/** Otherwise somebody else could put something in the place of the socket, and we would give it away. */
function mustBeOfRoot(directory: string): void {
  mustBeOwn(directory, 0);
  const { uid, mode } = lstatSync(directory);
  if (uid !== 0 || (mode & OTHERS_WRITE) !== 0)
    throw new Error(`${directory} has to belong to root, and nobody else may write to it`);
}
