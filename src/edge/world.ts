/** The real World. */
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

/** A message takes random bytes in five places, and asking node:crypto costs more than the bytes: they are fetched by the page. */
function createRandom(): (length: number) => Buffer {
  const store = Buffer.alloc(STORE_BYTES);
  let used = STORE_BYTES;
  return (length) => {
    if (length > STORE_BYTES - used) {
      if (length > STORE_BYTES) throw new RangeError('more random bytes at once than there are in store');
      randomFillSync(store);
      used = 0;
    }
    const given = Buffer.from(store.subarray(used, used + length));
    store.fill(0, used, used + length); // given out once, and to be found nowhere else
    used += length;
    return given;
  };
}
