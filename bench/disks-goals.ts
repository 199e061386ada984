// The goals of the project on the disks that people have, and what one run found: a table of ratios, each
// with its goal.

import type { Row } from './bench.ts';
import { type CellResult, type Standing, type Turn, typical } from './disks-cell.ts';
import { C20, C50, C200, type Cell, type Kind, LARGE, ONE } from './disks-places.ts';
import { DOVECOT, MAIL_CRYPT, OTHER_SEALDIR, SEALDIR, SEALDIR_ALL } from './disks-servers.ts';
import { median, short } from './rate.ts';

export interface PlaceResult {
  readonly kind: Kind;
  readonly filesystem: string;
  readonly cells: readonly CellResult[];
}

type Value = (cell: CellResult, sealdir: string) => number | undefined;

interface Goal {
  readonly what: string;
  readonly kind: Kind;
  readonly cell: Cell;
  readonly value: Value;
  readonly unit: 'x' | '%';
  /** Exactly one of the two. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Divides Sealdir's messages a second by another's. */
const rateOver =
  (other: string): Value =>
  ({ standings }, sealdir) =>
    ratio(standings.get(sealdir), standings.get(other), 'perSecond');

/** Divides another's CPU time a message by Sealdir's. */
const cpuUnder =
  (other: string): Value =>
  ({ standings }, sealdir) =>
    ratio(standings.get(other), standings.get(sealdir), 'cpuMs');

/** Sealdir's messages a second, in percent of the files a second of the better way to write bare files. */
const shareOfBare: Value = (result, sealdir) => {
  const bare = bestBare(result);
  const standing = result.standings.get(sealdir);
  return bare === undefined || standing === undefined
    ? undefined
    : (100 * typical(standing, 'perSecond')) / bare;
};

const latencyOverBare: Value = ({ standings, bare }, sealdir) => {
  const alone = bare?.get('threads')?.map(({ p50 }) => p50);
  const standing = standings.get(sealdir);
  return alone === undefined || standing === undefined ? undefined : typical(standing, 'p50') / median(alone);
};

const SLOW: Kind = 'slow ext4 1 ms';
const rate = (kind: Kind, cell: Cell, atLeast: number): Goal => {
  const what = 'messages/s over Dovecot plaintext';
  return { what, kind, cell, value: rateOver(DOVECOT), unit: 'x', atLeast };
};
const share = (cell: Cell): Goal => {
  const what = 'messages/s of what bare files reach';
  return { what, kind: SLOW, cell, value: shareOfBare, unit: '%', atLeast: 75 };
};
const cpu = (cell: Cell, other: string, atLeast: number): Goal => {
  const what = `CPU a message of ${other}, over Sealdir's`;
  return { what, kind: 'loop ext4', cell, value: cpuUnder(other), unit: 'x', atLeast };
};

const GOALS: readonly Goal[] = [
  rate(SLOW, C20, 2),
  rate(SLOW, C50, 2.2),
  rate(SLOW, C200, 3),
  share(C20),
  share(C50),
  share(C200),
  rate('slow xfs 1 ms', C50, 2),
  rate('slow ext4 0 ms', C50, 2),
  rate('slow ext4 5 ms', C50, 2),
  {
    what: 'median latency over that of a bare file',
    kind: SLOW,
    cell: ONE,
    value: latencyOverBare,
    unit: 'x',
    atMost: 1.2,
  },
  cpu(C20, DOVECOT, 2),
  cpu(C20, MAIL_CRYPT, 6),
  cpu(LARGE, DOVECOT, 1.4),
  cpu(LARGE, MAIL_CRYPT, 3),
  {
    what: `messages/s over ${OTHER_SEALDIR}`,
    kind: 'root',
    cell: C20,
    value: rateOver(OTHER_SEALDIR),
    unit: 'x',
    atLeast: 1,
  },
];

export function goalRows(places: readonly PlaceResult[]): Row[] {
  return GOALS.map((goal) => {
    const found = findCell(places, goal.kind, goal.cell);
    const value = found && goal.value(found, SEALDIR);
    const all = SEALDIR_ALL === SEALDIR ? undefined : found && goal.value(found, SEALDIR_ALL);
    const standing = found?.standings.get(SEALDIR);
    return {
      disk: goal.kind,
      kB: goal.cell.bytes / 1000,
      connections: goal.cell.connections,
      mailboxes: goal.cell.mailboxes,
      what: goal.what,
      goal: goal.atLeast === undefined ? `<= ${goal.atMost}${goal.unit}` : `>= ${goal.atLeast}${goal.unit}`,
      [SEALDIR]: withUnit(value, goal.unit),
      ...(SEALDIR_ALL === SEALDIR ? {} : { [SEALDIR_ALL]: withUnit(all, goal.unit) }),
      met: verdictOf(goal, value),
      'messages/s': standing === undefined ? '' : short(typical(standing, 'perSecond')),
      'machine cores busy': standing === undefined ? '' : short(standing.machineCores),
    };
  });
}

export function findCell(places: readonly PlaceResult[], kind: Kind, cell: Cell): CellResult | undefined {
  const isSame = (other: Cell) =>
    other.bytes === cell.bytes &&
    other.connections === cell.connections &&
    other.mailboxes === cell.mailboxes;
  return places
    .filter((place) => place.kind === kind)
    .flatMap(({ cells }) => cells)
    .find((result) => isSame(result.cell));
}

/** Returns the files a second of the better way, or undefined where they were not measured. */
export function bestBare({ bare }: CellResult): number | undefined {
  if (bare === undefined) return undefined;
  const ways = [...bare].filter(([way]) => way !== 'serving').map(([, reports]) => reports);
  return Math.max(...ways.map((reports) => median(reports.map(({ perSecond }) => perSecond))));
}

/** Returns the median of the ratios within a round. */
export function ratio(
  over: Standing | undefined,
  under: Standing | undefined,
  of: keyof Turn,
): number | undefined {
  if (over === undefined || under === undefined) return undefined;
  return median(over.turns.map((turn, round) => turn[of] / (under.turns[round]?.[of] ?? Number.NaN)));
}

function withUnit(value: number | undefined, unit: string): string {
  return value === undefined ? 'not measured' : `${short(value)}${unit}`;
}

function verdictOf({ atLeast, atMost }: Goal, value: number | undefined): string {
  if (value === undefined) return '';
  return (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost)
    ? 'yes'
    : 'no';
}
