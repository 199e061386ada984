/**
 * What `seal` and `deliver` tell the log of the system, without addresses where the settings want that. Loads
 * no logging library: it is part of what starts for each message.
 */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { hidingOf } from '../config/hiding.ts';
import type { Settings } from '../config/settings.ts';
import { hider } from '../edge/hide.ts';
import { readLogSecret } from '../keylog/logsecret.ts';
import { pathsOf } from '../site.ts';
import { CommandError } from './errors.ts';

export const SECRET_BYTES = 32;

/** Has addresses hidden in what a command for mail servers tells the log of the system. */
export function hideInLog(error: unknown, settings: Settings, addresses: readonly string[]): unknown {
  if (settings.log.addresses === 'plain') return error;
  const known = error instanceof CommandError ? error : new CommandError('software', String(error));
  const secret = secretIfReadable(pathsOf(settings).keyState) ?? randomBytes(SECRET_BYTES);
  const hide = hider(hidingOf(settings, secret, ownPaths(undefined)));
  const hidden = (text: string, recipient: string) => String(hide('delivery', { recipient, text }).text);
  known.inLog = addresses.reduce(hidden, known.everything.join('; '));
  return known;
}

export function secretIfReadable(directory: string): Buffer | undefined {
  try {
    return readLogSecret(directory);
  } catch {
    return undefined;
  }
}

/** Returns the directories of the program, and its configuration file. */
export function ownPaths(file: string | undefined): string[] {
  const program = [join(import.meta.dirname, '../../..'), dirname(process.execPath)];
  return file === undefined ? program : [...program, file];
}
