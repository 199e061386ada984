/** `sealdir check`: prints what `check/` found, each finding with its fix. */
import { type Checked, checkAll } from '../check/check.ts';
import { visible } from '../core/visible.ts';
import { CHECK_EXIT } from './errors.ts';

/** Returns the report and the exit code. */
export async function checkReport(
  checked: Checked,
): Promise<{ readonly text: string; readonly code: number }> {
  const findings = await checkAll(checked);
  const lines = findings.map(({ level, what, fix }) => `${level}: ${what}\n    fix: ${fix}\n`);
  const errors = findings.filter(({ level }) => level === 'error').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  const text = `${lines.join('')}${visible(checked.file ?? 'demo settings')}: ${errors} errors, ${warnings} warnings\n`;
  if (errors > 0) return { text, code: CHECK_EXIT.errors };
  return { text, code: warnings > 0 ? CHECK_EXIT.warnings : CHECK_EXIT.clean };
}
