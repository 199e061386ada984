// Compares Sealdir and Dovecot on the disks that people have: fast and slow ones, with a journal and without.
// See `about`.

import { buildBareFiles } from './barefiles.ts';
import type { Bar, Bench, Chart, Row, Table } from './bench.ts';
import {
  type CellResult,
  describeCell,
  measureCell,
  type Standing,
  settleIn,
  type Trial,
  typical,
  variantsFor,
} from './disks-cell.ts';
import { bestBare, findCell, goalRows, type PlaceResult, ratio } from './disks-goals.ts';
import { C20, type Cell, type Kind, openPlace, placesFor } from './disks-places.ts';
import { DOVECOT, MAIL_CRYPT, SEALDIR, startVariants, type Variant, warmUp } from './disks-servers.ts';
import { describeFilesystem } from './machine.ts';
import { median, short } from './rate.ts';

export const disks: Bench = {
  name: 'disks',
  about: `Puts the same load on Sealdir with one and with all processes and on Dovecot, with their mail on one disk after the
other: the file system of the bench, journaled ext4 and xfs on a loop device over it, and journaled file systems on a
disk in memory whose every write takes 0, 1 or 5 ms longer. Two instances of each contestant alternate, round after
round, and all are warm. In the same rounds bare files (barefiles.c) show what the disk can do with as many under way
at once: each in a thread of its own, or in batches of 20 whose write-out has begun before the first fsync. Every
message has one recipient, and the mailboxes take turns.`,

  async run(bed) {
    const { variants, leftOut } = await startVariants(bed);
    const bareFiles = await buildBareFiles(bed);
    if (bareFiles === undefined) leftOut.push('bare files (no C compiler is installed)');
    if (bed.other === undefined) leftOut.push('another build of Sealdir (none was given by --other DIR)');
    await warmUp(bed, variants);
    const places: PlaceResult[] = [];
    for (const [at, { kind, cells }] of placesFor(bed.form).entries()) {
      const contestants = variantsFor(variants, !kind.startsWith('slow'));
      const trial = { bed, variants: contestants, domain: `disk${at}.example`, bareFiles };
      // half an hour of measurements must not be gone because one disk fails
      const found = await measurePlace(trial, kind, cells).catch((error: Error) => {
        if (bed.isClosing) throw error;
        return error.message;
      });
      if (typeof found === 'string') leftOut.push(`${kind}: ${found}`);
      else places.push(found);
    }
    await stopAll(variants);
    return {
      tables: [...places.map(tableOf), { title: 'what the project wants', rows: goalRows(places) }],
      chart: chartOf(places),
      notes: [...notesOf(places), 'Load generator: own, one process (load.ts).'],
      leftOut,
    };
  },
};

/**
 * Measures all loads of one disk; returns a sentence about what is missing where there cannot be such a disk.
 */
async function measurePlace(
  trial: Omit<Trial, 'place' | 'cell'>,
  kind: Kind,
  cells: readonly Cell[],
): Promise<PlaceResult | string> {
  const place = await openPlace(trial.bed, kind);
  if (typeof place === 'string') return place;
  try {
    await settleIn(trial.variants, place, trial.domain);
    const filesystem = await describeFilesystem(place.directory);
    const results: CellResult[] = [];
    for (const cell of cells) results.push(await measureCell({ ...trial, place, cell }));
    return { kind, filesystem, cells: results };
  } finally {
    await place.close();
  }
}

async function stopAll(variants: readonly Variant[]): Promise<void> {
  for (const { instances } of variants) for (const instance of instances) await instance.stop();
}

function tableOf({ kind, cells }: PlaceResult): Table {
  return { title: kind, rows: cells.flatMap(rowsOf) };
}

function rowsOf(result: CellResult): Row[] {
  const { bytes, connections, mailboxes } = result.cell;
  const load = { kB: bytes / 1000, connections, mailboxes };
  const dovecot = result.standings.get(DOVECOT);
  const rows = [...result.standings].map(([server, standing]): Row => {
    const over = ratio(standing, dovecot, 'perSecond');
    return { ...load, server, ...figuresOf(standing), 'x Dovecot': over === undefined ? '' : short(over) };
  });
  const empty = Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, '']));
  for (const [way, reports] of result.bare ?? []) {
    const rates = reports.map(({ perSecond }) => perSecond);
    rows.push({
      ...empty,
      ...load,
      server: `bare files, ${way}`,
      'messages/s': short(median(rates)),
      'lowest - highest': `${short(Math.min(...rates))} - ${short(Math.max(...rates))}`,
      'p50 ms': short(median(reports.map(({ p50 }) => p50))),
      'p99 ms': short(median(reports.map(({ p99 }) => p99))),
    });
  }
  return rows;
}

function figuresOf(standing: Standing): Row {
  return {
    'messages/s': short(typical(standing, 'perSecond')),
    'lowest - highest': `${short(standing.lowest)} - ${short(standing.highest)}`,
    'CPU ms/message': short(typical(standing, 'cpuMs')),
    'p50 ms': short(typical(standing, 'p50')),
    'p99 ms': short(typical(standing, 'p99')),
    'server cores': short(standing.serverCores),
    'machine cores': short(standing.machineCores),
    'generator CPU ms': short(standing.generatorMs),
    'disk CPU ms': short(standing.diskMs),
  };
}

/** A slow disk beside a fast one, messages a second. */
function chartOf(places: readonly PlaceResult[]): Chart {
  const bars = (disk: string, kind: Kind, servers: readonly string[]): Bar[] => {
    const found = findCell(places, kind, C20);
    if (found === undefined) return [];
    const own = servers.flatMap((server): Bar[] => {
      const standing = found.standings.get(server);
      const label = `${disk}: ${server.replace(/,.*/, '')}`;
      return standing === undefined ? [] : [{ label, value: typical(standing, 'perSecond') }];
    });
    const bare = bestBare(found);
    return bare === undefined ? own : [...own, { label: `${disk}: bare files`, value: bare }];
  };
  return {
    title: `Messages stored in a second: ${describeCell(C20)}`,
    unit: '/s',
    bars: [
      ...bars('slow disk', 'slow ext4 1 ms', [SEALDIR, DOVECOT]),
      ...bars('fast disk', 'loop ext4', [SEALDIR, DOVECOT, MAIL_CRYPT]),
    ],
  };
}

function notesOf(places: readonly PlaceResult[]): string[] {
  return places.map(({ kind, filesystem, cells }) => {
    const times = cells.map(({ cell, seconds }) => `${describeCell(cell)}: ${Math.round(seconds)} s`);
    return `${kind}: ${filesystem}. Measured in ${times.join('; ')}.`;
  });
}
