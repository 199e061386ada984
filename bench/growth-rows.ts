// Measures a thing in several sizes, in turn, and tells how much more each one costs than the first.

import type { Bar, Row } from './bench.ts';
import { median, type Rate, short } from './rate.ts';

export interface Size {
  readonly label: string;
  measure(): Promise<Rate>;
}

/** `label` is the heading of the first column. */
export async function growthRows(
  label: string,
  sizes: readonly Size[],
  rounds: number,
): Promise<{ rows: Row[]; bars: Bar[] }> {
  const found = sizes.map((): Rate[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, size] of sizes.entries()) found[at]?.push(await size.measure());
  const costs = found.map((rates) => median(rates.map(({ cpuMsPerMessage }) => cpuMsPerMessage)));
  const [smallest = Number.NaN] = costs;
  const rows = sizes.map((size, at) => ({
    [label]: size.label,
    'messages/s': short(median((found[at] ?? []).map(({ perSecond }) => perSecond))),
    'CPU ms/message': short(costs[at] ?? Number.NaN),
    'x the smallest': short((costs[at] ?? Number.NaN) / smallest),
  }));
  const bars = sizes.map((size, at) => ({
    label: `${label}: ${size.label}`,
    value: (costs[at] ?? Number.NaN) / smallest,
  }));
  return { rows, bars: bars.slice(1) };
}
