/** The series about what is remembered of deliveries (store.state). */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface WatchedState {
  /** Whether this process knows only its own deliveries, because the state directory fails. */
  isForgetful(): boolean;
  /** Age of the oldest delivery that this process remembers. */
  oldestSeconds(): number;
  /** What hosts remember together; undefined if they do not. */
  readonly shared?: { readonly isReachable: boolean; readonly failures: number } | undefined;
}

/** Adds these series; those of the second kind only where there is something to tell. */
export function watchState(registry: Registry, { isForgetful, oldestSeconds, shared }: WatchedState): void {
  const registers = [registry];
  new Gauge({
    name: 'sealdir_state_failing',
    help: 'Processes that know only their own deliveries, since the state directory fails',
    aggregator: 'sum',
    registers,
    collect() {
      this.set(Number(isForgetful()));
    },
  });
  new Gauge({
    name: 'sealdir_state_oldest_seconds',
    help: 'Age of the oldest delivery that is remembered; below store.duplicates for long: more mail than fits',
    aggregator: 'max',
    registers,
    collect() {
      this.set(oldestSeconds());
    },
  });
  new Gauge({
    name: 'sealdir_shared_state_reachable',
    help: 'Whether Redis answers, in which hosts remember deliveries together: 1, or 0 if any process goes without; no value where store.state names none',
    aggregator: 'min',
    registers,
    collect() {
      if (shared === undefined) this.remove();
      else this.set(Number(shared.isReachable));
    },
  });
  new Counter({
    name: 'sealdir_shared_state_failures_total',
    help: 'Exchanges with Redis, and connections to it, that have failed (store.state)',
    registers,
    collect() {
      this.reset();
      this.inc(shared?.failures ?? 0);
    },
  });
}
