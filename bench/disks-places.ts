// Which disks a run of `disks` visits, and which loads it puts on each. Data, and how each disk is made.

import { hasProgram } from '../test/support/peers.ts';
import type { Bed, Form } from './bed.ts';
import { type FileSystem, mountJournaled } from './loopmount.ts';
import { missingForSlowDisk, mountSlow, type SlowDisk } from './slowdisk.ts';

export interface Cell {
  readonly bytes: number;
  readonly connections: number;
  readonly mailboxes: number;
}

export type Kind = 'root' | `loop ${FileSystem}` | `slow ${FileSystem} ${number} ms`;

/**
 * A disk with the loads on it; one that many loads go to comes up several times, since the slow ones are in
 * memory.
 */
export interface Place {
  readonly kind: Kind;
  readonly cells: readonly Cell[];
}

/** A disk, ready to be written to. Only a slow one has `pids`: of the programs it is made of. */
export type OpenPlace = SlowDisk;

const MB_10K = 10_000;
const cell = (connections: number, mailboxes: number, bytes = MB_10K): Cell => ({
  bytes,
  connections,
  mailboxes,
});

export const ONE = cell(1, 10);
export const C20 = cell(20, 10);
export const C50 = cell(50, 10);
export const C200 = cell(200, 100);
export const LARGE = cell(20, 10, 100_000);
const MANY = cell(200, 1000);

const QUICK: readonly Place[] = [
  { kind: 'loop ext4', cells: [C20, LARGE] },
  { kind: 'root', cells: [C20] },
  { kind: 'slow ext4 1 ms', cells: [C20, C50, C200, ONE] },
  { kind: 'slow xfs 1 ms', cells: [C50] },
  { kind: 'slow ext4 0 ms', cells: [C50] },
  { kind: 'slow ext4 5 ms', cells: [C50] },
];

const LONG: readonly Place[] = [
  { kind: 'loop ext4', cells: [C20, LARGE] },
  { kind: 'loop xfs', cells: [C20] },
  { kind: 'root', cells: [C20, MANY] },
  { kind: 'slow ext4 1 ms', cells: [C20, C50, C200, MANY, ONE] },
  { kind: 'slow xfs 1 ms', cells: [C20, C50] },
  { kind: 'slow ext4 0 ms', cells: [C50] },
  { kind: 'slow ext4 5 ms', cells: [C50] },
];

const KINDS: readonly Kind[] = [
  'loop ext4',
  'loop xfs',
  'root',
  'slow ext4 0 ms',
  'slow ext4 1 ms',
  'slow ext4 5 ms',
  'slow xfs 0 ms',
  'slow xfs 1 ms',
  'slow xfs 5 ms',
];

const GRID: readonly Cell[][] = [
  [cell(20, 10), cell(20, 100), cell(20, 1000), ONE],
  [cell(50, 10), cell(50, 100), cell(50, 1000)],
  [cell(200, 10), cell(200, 100), cell(200, 1000)],
];

export function placesFor(form: Form): readonly Place[] {
  if (form !== 'all') return form === 'quick' ? QUICK : LONG;
  const all = KINDS.flatMap((kind) => GRID.map((cells): Place => ({ kind, cells })));
  return [{ kind: 'loop ext4', cells: [LARGE] }, ...all];
}

/** Makes the disk; a sentence about what it lacks where that is not possible here. */
export async function openPlace(bed: Bed, kind: Kind): Promise<OpenPlace | string> {
  const [, how = '', fileSystem = '', delay = ''] = /^(\w+)(?: (\w+))?(?: (\d+) ms)?$/.exec(kind) ?? [];
  const type: FileSystem = fileSystem === 'xfs' ? 'xfs' : 'ext4';
  const close = async () => undefined;
  if (how === 'root') return { directory: await bed.directory('store'), pids: [], close };
  if (how === 'slow') {
    const missing = missingForSlowDisk(type);
    if (missing.length > 0) return `${kind}: needs ${missing.join(', ')}`;
    return mountSlow(bed, type, Number(delay)).catch((error: Error) => `${kind}: ${error.message.trim()}`);
  }
  const directory = await mountJournaled(bed, type);
  if (directory !== undefined) return { directory, pids: [], close };
  const program = `mkfs.${type}`;
  return `${kind}: needs root, ${program}${hasProgram(program) ? ' and the right to mount' : ''}`;
}
