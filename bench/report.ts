// Writes a result as text for a terminal, and as files: `results/<name>.json` and `results/<name>.svg`.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Form } from './bed.ts';
import type { Bench, Result, Row, Table } from './bench.ts';
import type { Machine } from './machine.ts';
import { toSvg } from './svg.ts';

export function toText({ tables, notes, leftOut }: Result): string {
  const sentences = [...notes, ...leftOut.map((what) => `left out: ${what}`)];
  return [...tables.map(tableText), sentences.map((each) => `  ${each}\n`).join('')].join('\n');
}

function tableText({ title, rows }: Table): string {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => cell(row, name).length)));
  const line = (cells: readonly string[]) => `  ${cells.join('  ').trimEnd()}\n`;
  const pad = (row: Row | undefined, name: string, at: number) => {
    const width = widths[at] ?? 0;
    if (row === undefined)
      return typeof rows[0]?.[name] === 'number' ? name.padStart(width) : name.padEnd(width);
    return typeof row[name] === 'number' ? cell(row, name).padStart(width) : cell(row, name).padEnd(width);
  };
  const head = line(columns.map((name, at) => pad(undefined, name, at)));
  return `${title}\n${head}${rows.map((row) => line(columns.map((name, at) => pad(row, name, at)))).join('')}`;
}

function cell(row: Row, name: string): string {
  return String(row[name] ?? '');
}

export interface About {
  readonly machine: Machine;
  readonly form: Form;
}

export async function save(
  directory: string,
  { name, about }: Bench,
  result: Result,
  context: About,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const { tables, notes, leftOut } = result;
  const kept = { name, about, ...context, tables, notes, leftOut };
  await writeFile(join(directory, `${name}.json`), `${JSON.stringify(kept, null, 2)}\n`);
  const { chart } = result;
  await writeFile(join(directory, `${name}.svg`), typeof chart === 'string' ? chart : toSvg(chart));
}
