/**
 * Lines of the log for people: one for each event, with its fields as `name=value`. Under the journal a line
 * begins with its priority (sd-daemon(3)) and leaves the time out, which the journal has.
 */
import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';

export type LogForm = 'json' | 'text' | 'journal';

/** Of syslog(3), by pino's level. */
const PRIORITIES: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };
const NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warning',
  50: 'error',
  60: 'fatal',
};

/**
 * Returns the form that `log.format` asks for. `journal`: what systemd says of standard error
 * (JOURNAL_STREAM), device and inode.
 */
export function logFormOf(format: 'auto' | 'json' | 'text', journal: string | undefined, fd = 2): LogForm {
  const { dev, ino } = fstatSync(fd);
  const isJournal = journal === `${dev}:${ino}`;
  if (format === 'json') return 'json';
  if (isJournal) return 'journal';
  return format === 'text' || isatty(fd) ? 'text' : 'json';
}

/** Returns a line of pino in another form. Both end with a line end, and hold no other. */
export function inForm(line: string, form: LogForm): string {
  if (form === 'json') return line;
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const told = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
  const text = [String(msg), ...told].join(' ');
  const of = Number(level);
  if (form === 'journal') return `<${PRIORITIES[of] ?? 6}>${text}\n`;
  return `${String(time)} ${NAMES[of] ?? level} ${text}\n`;
}

/** What could be mistaken for something else is in quotes, as JSON has it. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=\\\p{C}]+$/u.test(value) ? value : JSON.stringify(value);
}
