// What a bench is and what it gives. Knows nothing of how anything is measured.

import type { Bed } from './bed.ts';

export interface Bench {
  readonly name: string;
  /** What it measures and how, in a few sentences; printed before it starts and kept with its results. */
  readonly about: string;
  run(bed: Bed): Promise<Result>;
}

/** Column -> value; all rows of a table have the same columns. */
export type Row = Readonly<Record<string, string | number>>;

export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What the project wants, drawn as a mark; a bar without either is there to compare. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Chart {
  readonly title: string;
  /** Behind each value: 'x', '%', 'MiB'. */
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Result {
  readonly tables: readonly Table[];
  readonly chart: Chart;
  /** Sentences a reader of the numbers needs. */
  readonly notes: readonly string[];
  /** What is not installed or not permitted here, by name. */
  readonly leftOut: readonly string[];
}
