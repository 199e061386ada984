/** The series about copies that are passed on to next hops (store.forward). */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Forwarded, Meter } from '../core/meter.ts';

export interface WatchedHops {
  /** Connections to next hops, those in use and those kept for the next copy. */
  hopConnections(): { readonly taken: number; readonly idle: number };
}

/** Adds the series about next hops; call the function returned with each copy that was passed on. */
export function forwardedCounters(registry: Registry, buckets: number[]): Meter['forwarded'] {
  const copies = new Counter({
    name: 'sealdir_forwarded_copies_total',
    help: 'Sealed copies passed on to a next hop (store.forward), by result: accepted, deferred or refused by it, lost (no answer), unreachable, busy (no connection free), aborted (the client left)',
    labelNames: ['result'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'sealdir_forward_seconds',
    help: 'From a copy that is whole to the reply of the next hop',
    buckets,
    registers: [registry],
  });
  return (result: Forwarded, taken) => {
    copies.inc({ result });
    if (taken !== undefined) seconds.observe(taken);
  };
}

/** Adds the series about connections to them. */
export function watchHops(registry: Registry, { hopConnections }: WatchedHops): void {
  new Gauge({
    name: 'sealdir_forward_connections',
    help: 'Connections to next hops open now, by state: taken by a copy, or idle',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const { taken, idle } = hopConnections();
      this.set({ state: 'taken' }, taken);
      this.set({ state: 'idle' }, idle);
    },
  });
}
