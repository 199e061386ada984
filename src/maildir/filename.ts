/** The names of our files in tmp/ and new/. */
import type { World } from '../core/world.ts';

// what stands around the host name takes up to 100 of the 255 bytes of a file name
const MAX_HOST_BYTES = 150;

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

/** Makes the name in new/. `size` is the file's, `wireSize` with CRLF line ends; IMAP servers trust both. */
export function finalName(unique: string, size: number, wireSize: number): string {
  return `${unique},S=${size},W=${wireSize}`;
}
