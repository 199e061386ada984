/** The log of `serve` and `owners`, as the settings say. */
import { hidingOf } from '../config/hiding.ts';
import type { Settings } from '../config/settings.ts';
import type { World } from '../core/world.ts';
import { createLog, type Log } from '../edge/log.ts';
import { logFormOf } from '../edge/logtext.ts';
import { ownLogSecret } from '../keylog/logsecret.ts';
import { pathsOf } from '../site.ts';
import { ownPaths, SECRET_BYTES, secretIfReadable } from './hideinlog.ts';

export interface OpenLogOptions {
  readonly settings: Settings;
  /** The configuration file, or undefined for the demo. */
  readonly file: string | undefined;
  /** What systemd says of standard error, if it is the journal (JOURNAL_STREAM). */
  readonly journal: string | undefined;
  readonly world: Pick<World, 'random'>;
}

/** Opens that of a server, which makes the secret that addresses are hashed with if there is none. */
export function openServerLog(options: OpenLogOptions): Log {
  const { settings, world } = options;
  if (settings.log.addresses === 'plain') return openWith(options, undefined);
  try {
    return openWith(options, ownLogSecret(pathsOf(settings).keyState, world));
  } catch (error) {
    const log = openWith(options, world.random(SECRET_BYTES));
    log.fault('log.addresses', error);
    return log;
  }
}

/** Opens that of a helper. If it may not read the secret of the server, its hashes are its own. */
export function openHelperLog(options: OpenLogOptions): Log {
  const { settings, world } = options;
  if (settings.log.addresses === 'plain') return openWith(options, undefined);
  return openWith(options, secretIfReadable(pathsOf(settings).keyState) ?? world.random(SECRET_BYTES));
}

function openWith({ settings, file, journal }: OpenLogOptions, secret: Buffer | undefined): Log {
  const { level, format } = settings.log;
  const hiding = secret && hidingOf(settings, secret, ownPaths(file));
  return createLog(level, { form: logFormOf(format, journal), hiding });
}
