/** `sealdir check`: prints what `check/` found, each finding with why it matters and its fix. */
import { checkAll, type Report } from '../check/check.ts';
import { error, type Finding } from '../check/finding.ts';
import { type ConfigError, formatError } from '../config/load.ts';
import { visible, visibleJson } from '../core/visible.ts';
import { CHECK_EXIT, EXIT } from './errors.ts';
import { chooseSettings, usableOf } from './settings.ts';

type Text = { readonly text: string; readonly code: number };

export interface CheckOptions {
  readonly hostname: string;
  readonly now: Date;
  readonly form: 'text' | 'json';
}

const NOTHING_TRIED = { recipients: 0, sealed: 0, unusable: 0, untried: 0, keys: 0 };

/** Returns the report and the exit code. Throws CommandError if there are no settings to look at. */
export async function checkReport(
  config: string | undefined,
  { hostname, now, form }: CheckOptions,
): Promise<Text> {
  const chosen = await chooseSettings(config, hostname);
  if (form === 'json' && !chosen.loaded.ok) return unusable(chosen.loaded.errors, chosen.file);
  const { settings, file } = usableOf(chosen);
  const report = await checkAll({ settings, file, now });
  const { errors, warnings } = countsOf(report.findings);
  const text = form === 'json' ? jsonOf(report, file) : textOf(report, file);
  if (errors > 0) return { text, code: CHECK_EXIT.errors };
  return { text, code: warnings > 0 ? CHECK_EXIT.warnings : CHECK_EXIT.clean };
}

/** A program that reads JSON is told in the same form of a configuration that says nothing usable. */
function unusable(errors: readonly ConfigError[], file: string | undefined): Text {
  const findings = errors.map((each) =>
    error('configuration-unusable', formatError(each), 'correct the setting; the README lists all of them'),
  );
  return { text: jsonOf({ findings, counts: NOTHING_TRIED }, file), code: EXIT.config };
}

function countsOf(findings: readonly Finding[]) {
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length;
  return { errors: count('error'), warnings: count('warning'), notes: count('note') };
}

function textOf({ findings, counts }: Report, file: string | undefined): string {
  const lines = findings.map(
    ({ level, what, why, fix }) => `${level}: ${what}\n    why: ${why}\n    fix: ${fix}\n`,
  );
  const { recipients, sealed, unusable, untried, keys } = counts;
  const out = [
    `${recipients} recipients with a key file; a trial message was sealed for ${sealed}, to ${keys} keys`,
    ...(unusable > 0 ? [`${unusable} without a usable key`] : []),
    ...(untried > 0 ? [`${untried} not tried`] : []),
  ];
  const { errors, warnings } = countsOf(findings);
  const name = visible(file ?? 'demo settings');
  return `${lines.join('')}${out.join('; ')}\n${name}: ${errors} errors, ${warnings} warnings\n`;
}

/** README "Commands" has the meaning of each field. */
function jsonOf({ findings, counts }: Report, file: string | undefined): string {
  const report = {
    configuration: file ?? null,
    findings: findings.map(({ id, level, what, why, fix, command }) => ({
      id,
      severity: level,
      what,
      why,
      fix,
      command: command ?? null,
    })),
    counts: { ...countsOf(findings), ...counts },
  };
  return `${visibleJson(JSON.stringify(report, null, 2))}\n`;
}
