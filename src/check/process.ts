/** The process itself: which user it runs as. */
import { type Finding, warning } from './finding.ts';

export function checkProcess(): Finding[] {
  if (process.getuid?.() !== 0) return [];
  const fix = 'run it as a user of its own: systemd/sealdir.service does';
  return [warning('this check runs as root; the server should not', fix)];
}
