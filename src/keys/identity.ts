/** Tells whether a file is still the one that was read. */
import type { BigIntStats } from 'node:fs';
import type { World } from '../core/world.ts';

// a file or directory that changed this recently may change again without its time stamp showing it
const RACY_MS = 100;

/** Returns a text that changes whenever the file does. */
export function identityOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/** Tells whether a change after this look would show in the time stamp. */
export function isSettled({ ctimeMs }: BigIntStats, world: Pick<World, 'now'>): boolean {
  return world.now() - Number(ctimeMs) > RACY_MS;
}
