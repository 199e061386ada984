// A part of a result, for benches that are made of several parts.

import type { Bar, Result, Table } from './bench.ts';

export interface Part {
  readonly tables: readonly Table[];
  readonly bars: readonly Bar[];
  readonly notes: readonly string[];
  readonly leftOut: readonly string[];
}

export function joinParts(title: string, unit: string, parts: readonly Part[]): Result {
  return {
    tables: parts.flatMap((part) => part.tables),
    chart: { title, unit, bars: parts.flatMap((part) => part.bars) },
    notes: parts.flatMap((part) => part.notes),
    leftOut: parts.flatMap((part) => part.leftOut),
  };
}
