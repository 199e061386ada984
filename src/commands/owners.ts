/**
 * `sealdir owners`: the parent of those who write the files of other users, in the foreground until a signal
 * ends it. It reads the configuration, and nothing else of the site.
 */
import { chownSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { createLog, linesTo } from '../edge/log.ts';
import { logFormOf } from '../edge/logtext.ts';
import { claimPaths, listenOn, listenOnDescriptor } from '../edge/sockets.ts';
import { Owners } from '../owners/parent.ts';
import { CommandError } from './errors.ts';

export interface OwnersCommand {
  readonly settings: Settings;
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly number[];
  readonly journal: string | undefined;
}

/** Whoever may connect can write as any user that is not refused. */
const SOCKET_MODE = 0o600;

/** Serves until a signal. Resolves to the exit code. */
export async function serveOwners({ settings, inherited, journal }: OwnersCommand): Promise<number> {
  const { socket, min_uid: minUid, min_gid: minGid, writers: mostWriters } = settings.owners;
  if (socket === '') throw new CommandError('config', 'owners.socket is not set');
  if (process.geteuid?.() !== 0)
    throw new CommandError('config', 'sealdir owners has to run as root, to write as other users');
  const stopped = new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
  const log = createLog(settings.log.level, linesTo(2), logFormOf(settings.log.format, journal));
  const owners = new Owners({ minUid, minGid, mostWriters, log: log.warn });
  const at = await listen(owners, resolve(socket), inherited).catch((error: Error) => {
    throw new CommandError('config', `owners.socket: ${error.message}`);
  });
  log.info('listening', { owners: at });
  await stopped;
  owners.close();
  log.info('stopped');
  return 0;
}

async function listen({ server }: Owners, path: string, [fd]: readonly number[]): Promise<string> {
  if (fd !== undefined) return listenOnDescriptor(server, fd);
  const listener = { type: 'unix', path } as const;
  await claimPaths([listener]);
  const at = await listenOn(server, listener, SOCKET_MODE);
  // the server's user has a directory for it, and is the one to connect
  const { uid, gid } = statSync(dirname(path));
  chownSync(path, uid, gid);
  return at;
}
