// Measures one load on one disk with every contestant. All instances of all variants alternate, round after
// round, and so do the bare files of the same disk.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BARE_MESSAGE_BYTES, type BareFiles, type BareReport, type Way } from './barefiles.ts';
import type { Bed } from './bed.ts';
import type { Cell, OpenPlace } from './disks-places.ts';
import { type Instance, MAIL_CRYPT, type Variant } from './disks-servers.ts';
import { generate, type Target } from './generate.ts';
import type { CpuReport, LoadReport } from './load.ts';
import { median } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';

const WAYS: readonly Way[] = ['threads', 'batches', 'serving'];

/** What a variant did in one round: the mean of its instances. */
export interface Turn {
  readonly perSecond: number;
  readonly cpuMs: number; // a message
  readonly p50: number;
  readonly p99: number;
}

export interface Standing {
  readonly turns: readonly Turn[];
  /** Messages a second of single instances in single rounds. */
  readonly lowest: number;
  readonly highest: number;
  /** Cores that were busy with the server, and with everything on the machine. */
  readonly serverCores: number;
  readonly machineCores: number;
  /** CPU milliseconds a message of the load generator, and of the programs that are the disk. */
  readonly generatorMs: number;
  readonly diskMs: number;
}

export interface CellResult {
  readonly cell: Cell;
  readonly standings: ReadonlyMap<string, Standing>;
  /** Undefined where they could not be measured. */
  readonly bare: ReadonlyMap<Way, readonly BareReport[]> | undefined;
  /** What it took to measure this. */
  readonly seconds: number;
}

interface Loaded {
  readonly report: LoadReport;
  readonly cpu: CpuReport;
}

/** One load on one disk. */
export interface Trial {
  readonly bed: Bed;
  readonly variants: readonly Variant[];
  readonly place: OpenPlace;
  /** The one whose mail is on this disk, for every instance. */
  readonly domain: string;
  readonly cell: Cell;
  /** Undefined where they cannot be had. */
  readonly bareFiles: BareFiles | undefined;
}

export async function measureCell(trial: Trial): Promise<CellResult> {
  const { bed, variants, cell, bareFiles } = trial;
  const startedAt = Date.now();
  const base = freshBase();
  await visit(trial, base);
  // files of one size only
  const bareFilesHere = cell.bytes === BARE_MESSAGE_BYTES ? bareFiles : undefined;
  const bare = new Map(WAYS.map((way): [Way, BareReport[]] => [way, []]));
  const found = new Map(variants.map(({ name }): [string, Loaded[][]] => [name, []]));
  const rounds = bed.pick(1, 3);
  for (let round = 0; round < rounds; round++) {
    for (const way of WAYS) {
      if (bareFilesHere === undefined) break;
      bare.get(way)?.push(await bareTurn(trial, bareFilesHere, way, `bare-${base}-${way}${round}`));
    }
    for (const { name, instance } of orderOf(variants, round)) {
      bed.progress(`disks: ${trial.domain}, ${describeCell(cell)}, ${name}, round ${round + 1} of ${rounds}`);
      const own = found.get(name) ?? [];
      own[round] = [...(own[round] ?? []), await serverTurn(trial, instance, base)];
    }
  }
  const standings = new Map([...found].map(([name, loads]) => [name, standingOf(loads)]));
  const seconds = (Date.now() - startedAt) / 1000;
  return { cell, standings, bare: bareFilesHere && bare, seconds };
}

/** Has every mailbox made and every connection served: what happens only once must not count. */
async function visit(trial: Trial, base: string): Promise<void> {
  const { variants, cell, domain } = trial;
  const count = Math.max(cell.mailboxes, 2 * cell.connections);
  for (const instance of variants.flatMap(({ instances }) => instances)) {
    await instance.enrol(addresses(base, cell.mailboxes, domain));
    await generate({ ...targetOf(trial, instance, base), mode: 'closed', count, seconds: 60 });
  }
}

async function serverTurn(trial: Trial, instance: Instance, base: string): Promise<Loaded> {
  const { bed, place } = trial;
  const times = { settleSeconds: bed.pick(0.3, 0.5), seconds: bed.pick(1.2, 2.5) };
  const watch = [instance.pid, ...place.pids];
  const report = await generate({ ...targetOf(trial, instance, base), ...times, mode: 'steady', watch });
  if (report.cpu === undefined) throw new Error('the generator did not look at CPU times');
  return { report, cpu: report.cpu };
}

function bareTurn(
  { bed, place, cell }: Trial,
  bareFiles: BareFiles,
  way: Way,
  name: string,
): Promise<BareReport> {
  const { connections, mailboxes } = cell;
  const directory = join(place.directory, name);
  return bareFiles(way, connections, { directory, mailboxes, seconds: bed.pick(1.2, 2.5) });
}

function targetOf({ cell, domain }: Trial, { port }: Instance, base: string): Target {
  return { ...cell, recipients: 1, port, base, domain };
}

/** Gives each instance a directory on the disk for the mail of `domain`. */
export async function settleIn(
  variants: readonly Variant[],
  place: OpenPlace,
  domain: string,
): Promise<void> {
  for (const [at, instance] of variants.flatMap(({ instances }) => instances).entries()) {
    const directory = join(place.directory, `${domain}-${at}`);
    await mkdir(directory);
    await instance.addDomain(domain, directory);
  }
}

export function describeCell({ bytes, connections, mailboxes }: Cell): string {
  return `${bytes / 1000} kB, ${connections} connection${connections === 1 ? '' : 's'}, ${mailboxes} mailboxes`;
}

/** Returns the variants to compare: mail_crypt is compared by its CPU time, so on fast disks only. */
export function variantsFor(variants: readonly Variant[], isFast: boolean): Variant[] {
  return variants.filter(({ name }) => isFast || name !== MAIL_CRYPT);
}

/** Returns all first instances, then all second ones; in every other round the last comes first. */
function orderOf(variants: readonly Variant[], round: number): { name: string; instance: Instance }[] {
  const most = Math.max(...variants.map(({ instances }) => instances.length));
  const order = Array.from({ length: most }, (_, at) =>
    variants.flatMap(({ name, instances }) =>
      instances.slice(at, at + 1).map((instance) => ({ name, instance })),
    ),
  ).flat();
  return round % 2 === 0 ? order : order.reverse();
}

function standingOf(rounds: readonly (readonly Loaded[])[]): Standing {
  const all = rounds.flat();
  const sum = (of: (loaded: Loaded) => number) => all.reduce((total, loaded) => total + of(loaded), 0);
  const messages = sum(({ report }) => report.messages);
  const seconds = sum(({ report }) => report.seconds);
  const rates = all.map(({ report }) => report.messages / report.seconds);
  return {
    turns: rounds.map(turnOf),
    lowest: Math.min(...rates),
    highest: Math.max(...rates),
    serverCores: sum(({ cpu }) => cpu.watched[0] ?? 0) / 1000 / seconds,
    machineCores: sum(({ cpu }) => cpu.machine) / 1000 / seconds,
    generatorMs: sum(({ cpu }) => cpu.own) / messages,
    diskMs: sum(({ cpu }) => cpu.watched.slice(1).reduce((total, ms) => total + ms, 0)) / messages,
  };
}

function turnOf(loads: readonly Loaded[]): Turn {
  const mean = (of: (loaded: Loaded) => number) =>
    loads.reduce((total, loaded) => total + of(loaded), 0) / loads.length;
  return {
    perSecond: mean(({ report }) => report.messages / report.seconds),
    cpuMs: mean(({ report, cpu }) => (cpu.watched[0] ?? 0) / report.messages),
    p50: mean(({ report }) => report.p50),
    p99: mean(({ report }) => report.p99),
  };
}

/** Returns the median of the rounds. */
export function typical(standing: Standing, of: keyof Turn): number {
  return median(standing.turns.map((turn) => turn[of]));
}
