/**
 * The configuration file: who may change it, and so name another key directory or another store; and who may
 * read it, if there is a password in it.
 */
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { look } from './look.ts';
import { Trail } from './trail.ts';
import { trustedUsers } from './trusted.ts';

/** `file`: undefined for the demo, which has none. */
export function checkConfigFile(settings: Settings, file: string | undefined): Finding[] {
  if (file === undefined) return [];
  const open = new Trail(trustedUsers(settings)).gaps(resolve(file)).map(({ path, who, command }) => {
    const what = `configuration: ${who} may change ${path}`;
    return error('config-open', what, { command: `${command} ${quoted(path)}` });
  });
  return [...open, ...checkReadable(settings, resolve(file))];
}

/** The group of the store is that of the server. The gateway gets a copy of systemd. */
function checkReadable(settings: Settings, file: string): Finding[] {
  const [stats, store] = [look(file), look(pathsOf(settings).storeRoot)];
  if ('why' in stats || 'why' in store || (stats.mode & 0o004) === 0 || !hasPassword(settings)) return [];
  const what = `configuration: everybody may read ${file}, and there is a password in it`;
  const command = `chgrp ${store.gid} ${quoted(file)} && chmod 640 ${quoted(file)}`;
  return [warning('config-readable', what, { command, or: 'put it into a password_file' })];
}

/** Tells whether any setting is a URL with a password. */
function hasPassword(value: unknown): boolean {
  if (typeof value === 'string') return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*:[^/?#]+@/i.test(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasPassword);
}
