// One load on one disk, on every contestant: all instances of all variants alternate, round after round, and the bare
// files of the same disk with them.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BARE_MESSAGE_BYTES, type BareFiles, type BareReport, type Way } from './barefiles.ts';
import type { Bed } from './bed.ts';
import type { Cell, OpenPlace } from './disks-places.ts';
import { type Instance, MAIL_CRYPT, type Variant } from './disks-servers.ts';
import { generate } from './generate.ts';
import type { CpuReport, LoadReport } from './load.ts';
import { median } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';

const WAYS: readonly Way[] = ['threads', 'batches'];

/** A variant's part of one round: the mean of its instances. */
export interface Turn {
  readonly perSecond: number;
  readonly cpuMs: number; // a message
  readonly p50: number;
  readonly p99: number;
}

export interface Standing {
  readonly turns: readonly Turn[];
  /** Of single instances in single rounds: how far apart processes of one code are. */
  readonly lowest: number;
  readonly highest: number;
  /** Kept busy while it was loaded: by the server, and by everything on the machine. */
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

/** `domain` is the one whose mail is on this disk, for every instance. */
export async function measureCell(
  bed: Bed,
  variants: readonly Variant[],
  place: OpenPlace,
  domain: string,
  cell: Cell,
  bareFiles: BareFiles | undefined,
): Promise<CellResult> {
  const startedAt = Date.now();
  const base = freshBase();
  const names = addresses(base, cell.mailboxes, domain);
  const load = (instance: Instance) => ({ ...cell, recipients: 1, port: instance.port, base, domain });
  for (const { instances } of variants)
    for (const instance of instances) {
      await instance.enrol(names);
      // every mailbox is made, and every connection's worth of processes has run once
      const count = Math.max(cell.mailboxes, 2 * cell.connections);
      await generate({ ...load(instance), mode: 'closed', count, seconds: 60 });
    }
  const rounds = bed.pick(1, 3);
  const seconds = bed.pick(1.2, 2.5);
  const settleSeconds = bed.pick(0.3, 0.5);
  const hasBare = bareFiles !== undefined && cell.bytes === BARE_MESSAGE_BYTES;
  const found = new Map(variants.map(({ name }): [string, Loaded[][]] => [name, []]));
  const bare = new Map(WAYS.map((way): [Way, BareReport[]] => [way, []]));
  for (let round = 0; round < rounds; round++) {
    for (const way of hasBare ? WAYS : []) {
      const directory = join(place.directory, `bare-${base}-${way}${round}`);
      const report = await bareFiles?.(way, cell.connections, { ...cell, directory, seconds });
      if (report !== undefined) bare.get(way)?.push(report);
    }
    for (const { name, instance } of orderOf(variants, round)) {
      bed.progress(`disks: ${domain}, ${describeCell(cell)}, ${name}, round ${round + 1} of ${rounds}`);
      const watch = [instance.pid, ...place.pids];
      const order = { ...load(instance), mode: 'steady', settleSeconds, seconds, watch } as const;
      const report = await generate(order);
      const { cpu } = report;
      if (cpu === undefined) throw new Error('the generator did not look at CPU times');
      const own = found.get(name) ?? [];
      own[round] = [...(own[round] ?? []), { report, cpu }];
    }
  }
  const standings = new Map([...found].map(([name, loads]) => [name, standingOf(loads)]));
  const took = (Date.now() - startedAt) / 1000;
  return { cell, standings, bare: hasBare ? bare : undefined, seconds: took };
}

/** Makes the directories of a disk's domain, one for each instance. */
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

/** mail_crypt is compared by CPU alone, on fast disks. */
export function variantsFor(variants: readonly Variant[], isFast: boolean): Variant[] {
  return variants.filter(({ name }) => isFast || name !== MAIL_CRYPT);
}

/** All first instances, then all second ones; back to front in every other round. */
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

/** The median of its rounds. */
export function typical(standing: Standing, of: keyof Turn): number {
  return median(standing.turns.map((turn) => turn[of]));
}
