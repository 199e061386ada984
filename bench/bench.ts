// Types of a bench and of its result. Knows nothing of how anything is measured.

import type { Bed } from './bed.ts';

export interface Bench {
  readonly name: string;
  /**
   * Says in a few sentences what is measured and how. Printed before the bench starts and kept with its
   * results.
   */
  readonly about: string;
  run(bed: Bed): Promise<Result>;
}

/** Maps columns to values. All rows of a table have the same columns. */
export type Row = Readonly<Record<string, string | number>>;

export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /**
   * The goal of the project, drawn as a mark. A bar without `atLeast` and `atMost` is there for comparison
   * only.
   */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Chart {
  readonly title: string;
  /** Written after each value: 'x', '%', 'MiB'. */
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Result {
  readonly tables: readonly Table[];
  /** A string is the picture itself. */
  readonly chart: Chart | string;
  /** Sentences that a reader of the numbers needs. */
  readonly notes: readonly string[];
  /** Names of what is not installed or not permitted here. */
  readonly leftOut: readonly string[];
}
