/**
 * The table of `tls-report` for people: mail in clear first, then what is weak, as wide as the terminal.
 * Where it is narrow, ciphers have their shorter names of OpenSSL, and columns are left out.
 */
import { cipherAt, weaknessesOf } from '../core/cipher.ts';
import type { Way } from '../core/hop.ts';
import { visible } from '../core/visible.ts';

export interface ReportRow extends Way {
  readonly domain: string;
  /** The server that mail went to. */
  readonly relay?: string;
  readonly count: number;
  /** The day of the last one. */
  readonly last: string;
}

interface Column {
  readonly head: string;
  readonly isNumber?: true;
  cell(row: ReportRow): string;
}

const LEAST_NAME = 12;
const NO_CIPHER = new Set(['none', 'unknown']);

const DOMAIN: Column = { head: 'DOMAIN', cell: ({ domain }) => visible(domain) };
const RELAY: Column = { head: 'RELAY', cell: ({ relay = '' }) => visible(relay) };
const VERSION: Column = { head: 'VERSION', cell: ({ version }) => visible(version) };
const CIPHER: Column = {
  head: 'CIPHER',
  cell: ({ cipher }) => (NO_CIPHER.has(cipher) ? '-' : visible(cipher)),
};
const SHORT: Column = { head: 'CIPHER', cell: (row) => cipherAt(row.cipher)?.short ?? CIPHER.cell(row) };
const CODE: Column = { head: 'CODE', cell: ({ cipher }) => cipherAt(cipher)?.code ?? '-' };
const COUNT: Column = { head: 'MAIL', isNumber: true, cell: ({ count }) => String(count) };
const LAST: Column = { head: 'LAST', cell: ({ last }) => visible(last) };
const WEAK: Column = { head: 'WEAK', cell: (row) => weakness(row) };

/** From the widest to the narrowest. */
const LAYOUTS: readonly (readonly Column[])[] = [
  [DOMAIN, RELAY, VERSION, CIPHER, CODE, COUNT, LAST, WEAK],
  [DOMAIN, RELAY, VERSION, SHORT, CODE, COUNT, LAST, WEAK],
  [DOMAIN, RELAY, VERSION, SHORT, CODE, COUNT, WEAK],
  [DOMAIN, RELAY, VERSION, SHORT, COUNT, WEAK],
  [DOMAIN, VERSION, SHORT, COUNT, WEAK],
];

/** Returns the rows in order: mail in clear, what is weak, what nothing is known of, and the others. */
export function sorted<R extends ReportRow>(rows: readonly R[]): R[] {
  const compare = (one: R, other: R) =>
    rankOf(one) - rankOf(other) || other.count - one.count || (one.domain < other.domain ? -1 : 1);
  return [...rows].sort(compare);
}

function rankOf(row: ReportRow): number {
  if (row.version === 'none') return 0;
  if (weaknessesOf(row).length > 0) return 1;
  return ['unknown', 'other', 'TLS'].includes(row.version) ? 2 : row.version === 'local' ? 4 : 3;
}

function weakness(row: ReportRow): string {
  return row.version === 'none' ? 'in clear' : weaknessesOf(row).join(', ');
}

/** Yields lines of at most so many columns. */
export function* reportTable(rows: readonly ReportRow[], columns: number): Generator<string> {
  const hasRelay = rows.some(({ relay }) => relay !== undefined);
  const layouts = LAYOUTS.map((layout) => layout.filter((column) => hasRelay || column !== RELAY));
  const fits = layouts.find((layout) => widthOf(widthsOf(layout, rows)) <= columns);
  const layout = fits ?? layouts.at(-1) ?? [];
  const widths = fitted(widthsOf(layout, rows), columns);
  yield lineOf(
    layout.map(({ head }) => head),
    layout,
    widths,
    columns,
  );
  for (const row of rows)
    yield lineOf(
      layout.map((column) => column.cell(row)),
      layout,
      widths,
      columns,
    );
}

function widthsOf(layout: readonly Column[], rows: readonly ReportRow[]): number[] {
  return layout.map(({ head, cell }) =>
    rows.reduce((most, row) => Math.max(most, cell(row).length), head.length),
  );
}

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + 1, -1);
}

/** Takes what is too much from the domains. */
function fitted([domain = 0, ...others]: readonly number[], columns: number): number[] {
  const over = Math.max(0, widthOf([domain, ...others]) - columns);
  return [Math.max(Math.min(domain, LEAST_NAME), domain - over), ...others];
}

function lineOf(
  cells: readonly string[],
  layout: readonly Column[],
  widths: readonly number[],
  columns: number,
): string {
  const padded = cells.map((cell, n) => {
    const width = widths[n] ?? 0;
    return layout[n]?.isNumber ? cell.padStart(width) : shortened(cell, width).padEnd(width);
  });
  return shortened(padded.join(' ').trimEnd(), columns);
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
