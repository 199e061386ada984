// One measurement of a gateway and of the Dovecot behind it: time that passes, and CPU time of both.

import type { Row } from './bench.ts';
import type { GatewayBed } from './gateway-site.ts';
import { cpuMicroseconds } from './proc.ts';
import { median, short } from './rate.ts';

export interface Cost {
  readonly wallMs: number;
  /** Of all processes of the gateway, and of Dovecot. */
  readonly gatewayMs: number;
  readonly dovecotMs: number;
}

export async function costOf({ gateway, dovecot }: GatewayBed, work: () => Promise<unknown>): Promise<Cost> {
  const [ours, theirs, began] = [
    cpuMicroseconds(gateway.pid),
    cpuMicroseconds(dovecot.pid),
    performance.now(),
  ];
  await work();
  const wallMs = performance.now() - began;
  return {
    wallMs,
    gatewayMs: (cpuMicroseconds(gateway.pid) - ours) / 1000,
    dovecotMs: (cpuMicroseconds(dovecot.pid) - theirs) / 1000,
  };
}

export function rowOf(what: string, costs: readonly Cost[], beside: readonly Cost[] = []): Row {
  const of = (name: keyof Cost) => short(median(costs.map((cost) => cost[name])));
  const wall = costs.map(({ wallMs }) => wallMs);
  const ratios = costs.map(({ wallMs }, n) => wallMs / (beside[n]?.wallMs ?? Number.NaN));
  return {
    what,
    rounds: costs.length,
    'wall ms': of('wallMs'),
    lowest: short(Math.min(...wall)),
    highest: short(Math.max(...wall)),
    'gateway CPU ms': of('gatewayMs'),
    'Dovecot CPU ms': of('dovecotMs'),
    'x Dovecot': beside.length === 0 ? '' : short(median(ratios)),
  };
}

/** A sentence about a goal of the project. */
export function verdict(what: string, value: number, atMost: number, unit: string): string {
  const isReached = value <= atMost;
  return `${what}: ${short(value)} ${unit}, wanted at most ${atMost} ${unit}: ${isReached ? 'reached' : 'NOT REACHED'}`;
}
