/** `sealdir check`: prints what `check/` found, each finding with its fix. */
import { checkAll } from '../check/check.ts';
import type { Settings } from '../config/settings.ts';
import { EXIT } from './errors.ts';

/** The report and the exit code. `name`: what the settings came from. */
export async function checkReport(
  settings: Settings,
  name: string,
  now: Date,
): Promise<{ readonly text: string; readonly code: number }> {
  const findings = await checkAll(settings, now);
  const lines = findings.map(({ level, what, fix }) => `${level}: ${what}\n    fix: ${fix}\n`);
  const errors = findings.filter(({ level }) => level === 'error').length;
  const sum = `${name}: ${errors} errors, ${findings.length - errors} warnings\n`;
  return { text: lines.join('') + sum, code: errors > 0 ? EXIT.config : 0 };
}
