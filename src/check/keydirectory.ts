/** The key directory itself: whether it is there, and who may put a key into it. */
import { statSync } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { error, type Finding } from './finding.ts';

export function checkKeyDirectory(settings: Settings): Finding[] {
  const path = pathsOf(settings).keys;
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory())
    return [error(`keys.directory: ${path} is no directory`, `mkdir -m 755 '${path}'`)];
  if ((stats.mode & 0o022) === 0) return [];
  const what = `keys.directory: others may write to ${path}, and who may put a key there reads the mail`;
  return [error(what, `chmod go-w '${path}'`)];
}
