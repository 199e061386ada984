/** The names of our files in tmp/ and new/: how they are made, and how they are told from others. */
import type { World } from '../core/world.ts';

// what stands around the host name takes up to 100 of the 255 bytes of a file name
const MAX_HOST_BYTES = 150;
const UNIQUE_NAME = /^\d+\.M\d{1,6}P\d+Q\d+R[0-9a-f]{16}\.[^/:]+$/;

/**
 * Makes the name of the `count`th file of this process: time, microseconds, pid, count and 64 random
 * bits, so that it is unique on every host and across restarts. This is the whole name in tmp/.
 */
export function uniqueName(world: World, count: number): string {
  const now = world.now();
  const micros = Math.trunc(world.micros()) % 1_000_000;
  const host = world.host.replaceAll('/', '\\057').replaceAll(':', '\\072').slice(0, MAX_HOST_BYTES);
  const random = world.random(8).toString('hex');
  return `${Math.trunc(now / 1000)}.M${micros}P${world.pid}Q${count}R${random}.${host}`;
}

/**
 * Whether a name has the form of `uniqueName`, of whichever host. No other program is known to make such
 * names.
 */
export function isUniqueName(name: string): boolean {
  return UNIQUE_NAME.test(name);
}

/** Makes the name in new/. `size` is the file's, `wireSize` with CRLF line ends; IMAP servers trust both. */
export function finalName(unique: string, size: number, wireSize: number): string {
  return `${unique},S=${size},W=${wireSize}`;
}
