/**
 * `sealdir tls-report`: which domains send mail with which TLS, or without, as the server has counted it;
 * with --log, to which domains Postfix has sent it, as its log says.
 */
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { countsDomains } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { cipherAt, weaknessesOf } from '../core/cipher.ts';
import { visibleJson } from '../core/visible.ts';
import { pathsOf } from '../site.ts';
import { PostfixLog } from '../tlsreport/postfixlog.ts';
import { BadReport, type Report, readReport } from '../tlsreport/reportfile.ts';
import { CommandError } from './errors.ts';
import { openInput } from './inputfile.ts';
import { type ReportRow, reportTable, sorted } from './reporttable.ts';

export interface TlsReportOptions {
  /** Returns the settings of the server; not needed for a log. */
  settings(): Promise<Settings>;
  /** Postfix's log. */
  readonly log: string | undefined;
  readonly form: 'text' | 'json';
  /** Width of the terminal; without one lines are as long as they are. */
  readonly columns: number | undefined;
  print(text: string): void;
  warn(text: string): void;
}

interface Counted {
  readonly direction: 'received' | 'sent';
  /** When the counting began; of a log nobody knows. */
  readonly since?: string;
  readonly rows: readonly ReportRow[];
}

export async function tlsReport(options: TlsReportOptions): Promise<void> {
  const counted =
    options.log === undefined ? await receivedMail(await options.settings()) : await sentMail(options);
  const lines = options.form === 'json' ? jsonLines(counted) : textLines(counted, options.columns);
  for (const line of lines) options.print(`${line}\n`);
}

async function receivedMail(settings: Settings): Promise<Counted> {
  if (!countsDomains(settings))
    throw new CommandError('noInput', 'nothing is counted: see tls_report.domains in the configuration');
  const { state } = pathsOf(settings);
  const report = await reportIn(state);
  if (report === undefined)
    throw new CommandError(
      'noInput',
      `nothing is counted in ${state} yet: no message has come since the start`,
    );
  const rows = report.rows.map((row) => ({ ...row, last: dayOf(row.last) }));
  return { direction: 'received', since: dayOf(report.since), rows: sorted(rows) };
}

async function reportIn(state: string): Promise<Report | undefined> {
  try {
    return await readReport(state);
  } catch (error) {
    if (error instanceof BadReport) throw new CommandError('data', error.message);
    const { errno } = error as NodeJS.ErrnoException;
    const why = getSystemErrorMap().get(errno ?? 0)?.[1];
    if (why === undefined) throw error;
    const whose = why === 'permission denied' ? ': run this as the user of the server' : '';
    throw new CommandError('noInput', `${join(state, 'tls-report')} cannot be read: ${why}${whose}`);
  }
}

async function sentMail({ log: path = '', warn }: TlsReportOptions): Promise<Counted> {
  const log = new PostfixLog();
  for await (const line of linesOf(await openInput(path, 'log'))) log.take(line);
  const rows = sorted(log.rows);
  if (rows.length === 0) warn(`${path} has no line about mail that Postfix has sent`);
  else if (!log.saysTls)
    warn(`${path} has no line about TLS: set smtp_tls_loglevel = 1 in main.cf, or all went in clear`);
  return { direction: 'sent', rows };
}

/** What is beyond it, nobody needs. */
const LONGEST_LINE = 4096;

/** Yields lines without their ends. */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const bytes of input) {
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = (lines.pop() ?? '').slice(0, LONGEST_LINE);
    for (const line of lines) yield Buffer.from(line.slice(0, LONGEST_LINE), 'latin1').toString('utf8');
  }
  if (rest !== '') yield Buffer.from(rest, 'latin1').toString('utf8');
}

function* textLines(
  { direction, since, rows }: Counted,
  columns = Number.POSITIVE_INFINITY,
): Generator<string> {
  const all = rows.reduce((sum, { count }) => sum + count, 0);
  const clear = rows.filter(({ version }) => version === 'none').reduce((sum, { count }) => sum + count, 0);
  const from = since === undefined ? '' : ` since ${since}`;
  yield `${direction}${from}: ${all} messages, ${clear} of them in clear`;
  if (rows.length > 0) yield* reportTable(rows, columns);
}

/** Yields one object. README "tls-report" has the meaning of each field. */
function* jsonLines({ direction, since, rows }: Counted): Generator<string> {
  yield `{"direction":"${direction}","since":${JSON.stringify(since ?? null)},"rows":[`;
  for (const [n, { domain, relay, version, cipher, count, last }] of rows.entries()) {
    const { code = null, short = null } = cipherAt(cipher) ?? {};
    const weak = weaknessesOf({ version, cipher });
    const row = { domain, relay, version, cipher, code, openssl: short, weak, count, last };
    yield `${visibleJson(JSON.stringify(row))}${n === rows.length - 1 ? '' : ','}`;
  }
  yield ']}';
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
