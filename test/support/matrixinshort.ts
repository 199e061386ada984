// The tables of test/peers/MATRIX.md in short, as README has them: documents.ts puts them there.

import { type Cell, documented, TABLES, type Table } from './matrix.ts';

/**
 * Returns a table of the document in short, as README has it: rows that are alike are one, and so are the
 * columns of a client. A column leads to its test.
 */
export function compactTable(table: Table): string {
  return partsOf(documented(table))
    .map((cells) => compact(table, merged(cells)))
    .join('\n');
}

/** Divides cells into tables without a row and without a column in common. */
function partsOf(cells: readonly Cell[]): Cell[][] {
  const parts: Cell[][] = [];
  for (const cell of cells) {
    const near = parts.filter((part) =>
      part.some(({ row, column }) => row === cell.row || column === cell.column),
    );
    for (const part of near) parts.splice(parts.indexOf(part), 1);
    parts.push([...near.flat(), cell]);
  }
  return parts;
}

/** Makes one column of those named `CLIENT, POLICY`: a policy is named where it makes a difference. */
function merged(cells: readonly Cell[]): readonly Cell[] {
  if (cells[0]?.table !== 'clients') return cells;
  const groups = grouped(cells, ({ row, column }) => `${row} | ${column.replace(/,.*/, '')}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const outcomes = grouped(group, ({ outcome }) => outcome);
    const each = [...outcomes].map(([outcome, some]) => {
      const policies = some.map(({ column }) => `\`${column.replace(/.*, /, '')}\``);
      return outcomes.size === 1 ? outcome : `${policies.join(', ')}: ${outcome}`;
    });
    return [{ ...first, column: first.column.replace(/,.*/, ''), outcome: each.join('; ') }];
  });
}

function compact(table: Table, cells: readonly Cell[]): string {
  const columns = [...new Map(cells.map(({ column, file }) => [column, file] as const))];
  const rows = [...grouped(cells, ({ row }) => row)].map(([row, inRow]) => {
    const [, name = row, kind = ''] = table === 'openpgp' ? (/^(.*?), (.*)$/.exec(row) ?? []) : [];
    const outcomes = columns.map(([column]) => inRow.find((cell) => cell.column === column)?.outcome ?? '');
    return { name, kind, outcomes: outcomes.join(' | ') };
  });
  const alike = grouped(rows, ({ kind, outcomes }) => `${kind} | ${outcomes}`);
  const lines = [...alike.values()].map((some) => {
    const names = some.map(({ name }) => name).join(table === 'openpgp' ? ', ' : '; ');
    const { kind = '', outcomes = '' } = some[0] ?? {};
    return `| ${kind === '' ? names : `${names}: ${kind}`} | ${outcomes} |\n`;
  });
  const heads = columns.map(([column, file]) => `[${column}](test/peers/${file})`);
  return `| ${TABLES[table].corner} | ${heads.join(' | ')} |\n|---${'|---'.repeat(heads.length)}|\n${lines.join('')}`;
}

function grouped<T>(values: readonly T[], by: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(by(value));
    if (group === undefined) groups.set(by(value), [value]);
    else group.push(value);
  }
  return groups;
}
