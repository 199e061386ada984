/** The real World. */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { World } from '../core/world.ts';

export function realWorld(host: string): World {
  return {
    now: () => Date.now(),
    micros: () => (performance.timeOrigin + performance.now()) * 1000,
    random: (length) => randomBytes(length),
    pid: process.pid,
    host,
  };
}
