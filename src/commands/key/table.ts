/** Lists of keys for people: columns that fit the terminal, and below each key why it is not used. */
import { visible } from '../../core/visible.ts';
import { daysLeft } from '../../keys/judgedentry.ts';
import type { KeyRow } from '../../keys/survey.ts';

const HEAD = ['ADDRESS', 'KEY', 'ALGORITHM', 'SEIPD', 'STATE', 'DAYS'];
const SHORT_KEY = 16;

/** Yields lines that fit the terminal if they can: with whole fingerprints, or else with the IDs of keys. */
export function* table(rows: readonly KeyRow[], now: Date, columns: number): Generator<string> {
  if (rows.length === 0) return;
  const whole = rows.map((row) => cellsOf(row, now, (fingerprint) => fingerprint));
  const isWide = widthOf(widthsOf(whole)) <= columns;
  const cells = isWide ? whole : rows.map((row) => cellsOf(row, now, shortened));
  const widths = fitted(widthsOf(cells), columns);
  yield lineOf(HEAD, widths);
  for (const [n, row] of rows.entries()) {
    yield lineOf(cells[n] ?? [], widths);
    const { reason } = row.state;
    if (reason !== undefined) yield* wrapped(visible(reason), columns);
  }
}

function cellsOf(row: KeyRow, now: Date, key: (fingerprint: string) => string): string[] {
  const { address, file, fingerprint, kind, seipd, state } = row;
  return [
    visible(address ?? `(${file})`),
    fingerprint === undefined ? '-' : key(fingerprint),
    kind ?? '-',
    seipd === undefined ? '-' : `v${seipd}`,
    state.state,
    String(daysLeft(state, now) ?? '-'),
  ];
}

/**
 * Returns the key ID: the end of a fingerprint of version 4, the beginning of a later one (RFC 9580 §5.5.4).
 */
function shortened(fingerprint: string): string {
  return fingerprint.length > 40 ? fingerprint.slice(0, SHORT_KEY) : fingerprint.slice(-SHORT_KEY);
}

function widthsOf(cells: readonly (readonly string[])[]): number[] {
  return HEAD.map((head, n) => cells.reduce((most, row) => Math.max(most, row[n]?.length ?? 0), head.length));
}

/** Takes room from the columns that have outliers: a cell that is too long moves the rest of its own line. */
function fitted(widths: readonly number[], columns: number): number[] {
  const result = [...widths];
  for (const [column, least] of [
    [2, 'ed25519/cv25519'.length],
    [0, 20],
  ] as const) {
    const width = result[column] ?? 0;
    result[column] = Math.min(width, Math.max(least, width - (widthOf(result) - columns)));
  }
  return result;
}

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + 1, -1);
}

function lineOf(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, n) =>
    n === cells.length - 1 ? cell.padStart(widths[n] ?? 0) : cell.padEnd(widths[n] ?? 0),
  );
  return padded.join(' ');
}

/** Yields a sentence in indented lines. */
export function* wrapped(sentence: string, columns: number): Generator<string> {
  let line = ' ';
  for (const word of sentence.split(' ')) {
    if (line.length > 1 && line.length + 1 + word.length > columns) {
      yield line;
      line = ' ';
    }
    line += ` ${word}`;
  }
  yield line;
}
