/** The World of a running process: its clocks, its randomness, its pid. Tests may use another one. */
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { World } from '../core/world.ts';

export function realWorld(host: string): World {
  return {
    now: () => Date.now(),
    micros: () => (performance.timeOrigin + performance.now()) * 1000,
    random: createRandom(),
    pid: process.pid,
    host,
  };
}

const STORE_BYTES = 4096;

/**
 * Fetches random bytes by the page: a message needs some in five places, and a call to node:crypto costs more
 * than the bytes it returns.
 */
function createRandom(): (length: number) => Buffer {
  const store = Buffer.alloc(STORE_BYTES);
  let used = STORE_BYTES;
  return (length) => {
    if (length > STORE_BYTES - used) {
      if (length > STORE_BYTES) throw new RangeError('more random bytes than are fetched at once');
      randomFillSync(store);
      used = 0;
    }
    const given = Buffer.from(store.subarray(used, used + length));
    store.fill(0, used, used + length); // given out once, and found nowhere else
    used += length;
    return given;
  };
}
