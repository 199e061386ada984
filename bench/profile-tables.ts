// What is shown of the profiles of several rounds: shares as microseconds of the CPU time that a message
// takes.

import type { Result, Row } from './bench.ts';
import { type Counts, type Profile, THREAD_KINDS } from './profile-samples.ts';
import { median, short } from './rate.ts';

const FUNCTIONS = 40;
/** Smaller ones are not worth a row. */
const SMALLEST_SHARE = 0.002;

interface Share {
  readonly name: string;
  readonly share: number;
  readonly lowest: number;
  readonly highest: number;
}

/** The largest first: the median of the rounds, and the lowest and the highest of them. */
function sharesOf(profiles: readonly Profile[], pick: (profile: Profile) => Counts): Share[] {
  const names = new Set(profiles.flatMap((each) => [...pick(each).keys()]));
  return [...names]
    .map((name) => {
      const all = profiles.map((each) => (pick(each).get(name) ?? 0) / each.samples);
      return { name, share: median(all), lowest: Math.min(...all), highest: Math.max(...all) };
    })
    .filter(({ share }) => share >= SMALLEST_SHARE)
    .sort((a, b) => b.share - a.share);
}

function rowsOf(label: string, shares: readonly Share[], us: number): Row[] {
  return shares.map(({ name, share, lowest, highest }) => ({
    [label]: name,
    'us/message': short(share * us),
    '%': short(100 * share),
    'lowest - highest %': `${short(100 * lowest)} - ${short(100 * highest)}`,
  }));
}

function partRows(profiles: readonly Profile[], us: number): Row[] {
  const kinds = THREAD_KINDS.filter((kind) => kind !== 'other threads');
  const rows = rowsOf(
    'part',
    sharesOf(profiles, ({ parts }) => parts),
    us,
  );
  return rows.map((row) => {
    const columns = kinds.map((kind) => {
      const shares = profiles.map(
        (each) => (each.partsOf.get(kind)?.get(String(row.part)) ?? 0) / each.samples,
      );
      return [`us, ${kind}`, short(median(shares) * us)];
    });
    return { ...row, ...Object.fromEntries(columns) };
  });
}

export function resultOf(
  costs: readonly number[],
  profiles: readonly Profile[],
  calls: Row[],
  isRoot: boolean,
): Result {
  const us = median(costs) * 1000;
  const parts = partRows(profiles, us);
  const functions = sharesOf(profiles, (each) => each.functions).slice(0, FUNCTIONS);
  const samples = profiles.reduce((sum, each) => sum + each.samples, 0);
  return {
    tables: [
      { title: 'parts of a message', rows: parts },
      {
        title: 'threads',
        rows: rowsOf(
          'threads',
          sharesOf(profiles, ({ threads }) => threads),
          us,
        ),
      },
      {
        title: 'functions, with what they call outside of src/ and packages',
        rows: rowsOf('function', functions, us),
      },
      { title: 'system calls and switches', rows: calls },
    ],
    chart: {
      title: 'CPU time of a message of 10 kB',
      unit: 'us',
      bars: parts.slice(0, 20).map((row) => ({ label: String(row.part), value: Number(row['us/message']) })),
    },
    notes: [
      `${short(us)} us of CPU time a message, user and system, all threads (${costs.map((ms) => short(ms * 1000)).join(', ')}); ${samples} samples in ${profiles.length} rounds.`,
      'What the kernel does in threads of its own (journal, loop device) is not in it.',
      `System calls: ${calls.length === 0 ? 'perf may not count them here' : 'of the server that nobody looks into'}.`,
      ...(isRoot ? ['The store was not on a loop device, for want of root or mkfs.ext4.'] : []),
    ],
    leftOut: [],
  };
}

export function callRows(counts: ReadonlyMap<string, number>, messages: number): Row[] {
  return [...counts]
    .map(([call, times]) => ({ call, 'a message': short(times / messages) }))
    .filter((row) => row['a message'] >= 0.02)
    .sort((a, b) => b['a message'] - a['a message']);
}
