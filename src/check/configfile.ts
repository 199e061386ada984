/** The configuration file: who may change it, and so name another key directory or another store. */
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { error, type Finding, quoted } from './finding.ts';
import { Trail } from './trail.ts';
import { trustedUsers } from './trusted.ts';

/** `file`: undefined for the demo, which has none. */
export function checkConfigFile(settings: Settings, file: string | undefined): Finding[] {
  if (file === undefined) return [];
  return new Trail(trustedUsers(settings)).gaps(resolve(file)).map(({ path, who, command }) => {
    const what = `configuration: ${who} may change ${path}`;
    return error('config-open', what, { command: `${command} ${quoted(path)}` });
  });
}
