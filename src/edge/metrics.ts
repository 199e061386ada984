/**
 * What the delivery path reports, as Prometheus series (prom-client). No label holds an address, a path or
 * anything else that a client chooses.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter, Step } from '../core/meter.ts';
import type { MetricsSource } from './metricsserver.ts';

const STEPS: Record<Step, string> = {
  session_key: 'Making the session-key packets of one copy',
  encrypt: 'Bulk encryption and armor of one copy, CPU time on the main thread',
  stage: 'From the end of DATA to a copy whole and fsynced in tmp/; a small one is whole in memory',
  fsync: 'One fsync of a staged file',
  commit:
    'rename into new/ and fsync of new/, of one copy; of a small one all its disk calls, with the wait for others in its batch',
  delivery: 'From DATA to the last reply of a message',
};

// from 50 us for a session key to 100 s for a slow message of 50 MiB
const SECONDS = [0.00005, 0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 25, 100];

export interface Watched {
  connections(): number;
  deliveries(): number;
  /** Log lines that could not be written so far. */
  lostLines(): number;
  /** Whether this process knows only its own deliveries, because the state directory fails. */
  isForgetful(): boolean;
  /** Age of the oldest delivery that this process remembers. */
  oldestSeconds(): number;
}

/**
 * Of prom-client, sums over all handles and the like: named as counters, which they are not, and sums of
 * others.
 */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

interface Described {
  readonly name: string;
  readonly help: string;
}

const CONNECTIONS = { name: 'sealdir_connections', help: 'LMTP connections open now' };
const DELIVERIES = {
  name: 'sealdir_deliveries',
  help: 'Copies on their way to a mailbox now, from DATA to stored or given up',
};
const STATE_FAILING = {
  name: 'sealdir_state_failing',
  help: 'Processes that know only their own deliveries, since the state directory fails',
};
const STATE_OLDEST = {
  name: 'sealdir_state_oldest_seconds',
  help: 'Age of the oldest delivery that is remembered; below store.duplicates for long: more mail than fits',
};
export const LOST_LINES: Described = {
  name: 'sealdir_log_lines_lost',
  help: 'Log lines that could not be written since the start',
};

/** All series of one process with their values, to be sent to another process as JSON. */
export type Figures = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

export interface Metrics extends Meter, MetricsSource {
  readonly registry: Registry;
  figures(): Promise<Figures>;
  /** Adds series whose values are asked for at each scrape. */
  watch(now: Watched): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const registers = [registry];
  const recipients = new Counter({
    name: 'sealdir_recipients_total',
    help: 'Recipients answered, by verdict (stored, deferred, refused) and reason',
    labelNames: ['verdict', 'why'],
    registers,
  });
  const messages = new Counter({
    name: 'sealdir_messages_total',
    help: 'Messages (DATA) by verdict: stored for at least one recipient, deferred, refused, aborted',
    labelNames: ['verdict'],
    registers,
  });
  const bytes = new Counter({
    name: 'sealdir_message_bytes_total',
    help: 'Bytes of messages as received, by verdict',
    labelNames: ['verdict'],
    registers,
  });
  const keyFiles = new Counter({
    name: 'sealdir_key_files_refused_total',
    help: 'Look-ups that met a key file which cannot be used (unreadable, or holding a secret key)',
    registers,
  });
  const steps = Object.fromEntries(
    Object.entries(STEPS).map(([step, help]) => [
      step,
      new Histogram({ name: `sealdir_${step}_seconds`, help, buckets: SECONDS, registers }),
    ]),
  ) as Record<Step, Histogram>;
  return {
    registry,
    contentType: registry.contentType,
    text: () => registry.metrics(),
    figures: () => registry.getMetricsAsJSON(),
    time: (step, seconds) => steps[step].observe(seconds),
    recipient: (verdict, why) => recipients.inc({ verdict, why }),
    message(verdict, size) {
      messages.inc({ verdict });
      bytes.inc({ verdict }, size);
    },
    keyFileRefused: () => keyFiles.inc(),
    watch({ connections, deliveries, lostLines, isForgetful, oldestSeconds }) {
      gauge(registry, CONNECTIONS, connections);
      gauge(registry, DELIVERIES, deliveries);
      gauge(registry, LOST_LINES, lostLines);
      gauge(registry, STATE_FAILING, () => Number(isForgetful()));
      gauge(registry, STATE_OLDEST, oldestSeconds, 'max');
    },
  };
}

/** Adds a series that is asked for at each scrape. `aggregator`: what those of several processes come to. */
export function gauge(
  registry: Registry,
  described: Described,
  value: () => number,
  aggregator: 'sum' | 'max' = 'sum',
): void {
  new Gauge({
    ...described,
    aggregator,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}

/**
 * Adds the series of the process that reads the certificates; call the function returned with what is shown
 * from now on: when each certificate expires, in seconds since the epoch, by the kind of its key.
 */
export function watchCertificates(registry: Registry): (expiries: ReadonlyMap<string, number>) => void {
  const expiry = new Gauge({
    name: 'sealdir_tls_certificate_expiry_timestamp_seconds',
    help: 'When the certificate that is shown to clients expires, by the kind of its key (RSA, ECDSA); none without TLS',
    labelNames: ['key'],
    registers: [registry],
  });
  return (expiries) => {
    expiry.reset();
    for (const [key, seconds] of expiries) expiry.set({ key }, seconds);
  };
}

export type ReloadResult = 'taken' | 'refused';

/**
 * Adds the series of the process that reads the configuration; the function returned is called after each
 * reload.
 */
export function watchReloads(registry: Registry): (result: ReloadResult) => void {
  const isRefused = new Gauge({
    name: 'sealdir_reload_refused',
    help: '1 when the last reload met a bad configuration and the old one stayed, else 0',
    registers: [registry],
  });
  return (result) => isRefused.set(result === 'refused' ? 1 : 0);
}

/** What is known of all keys, by whoever looks after them. */
export interface KeyNumbers {
  /** How many keys are in which state. */
  readonly states: Readonly<Record<string, number>>;
  /** Milliseconds since the epoch. */
  readonly earliest: { readonly at: number } | undefined;
  readonly entries: number;
  readonly changes: number;
}

/** Adds the series about keys; they have no values until the function returned is called. */
export function watchKeys(registry: Registry): (keys: KeyNumbers) => void {
  const registers = [registry];
  const keysNow = new Gauge({
    name: 'sealdir_keys',
    help: 'Keys in the key directory, by state (valid, expiring within 30 days, expired, revoked, unusable)',
    labelNames: ['state'],
    registers,
  });
  const expiry = new Gauge({
    name: 'sealdir_key_expiry_timestamp_seconds',
    help: 'When the first of the keys that can be used now ends; no value if none of them does',
    registers,
  });
  const changes = new Counter({
    name: 'sealdir_key_changes_total',
    help: 'Keys that came, changed or went, since the key log began',
    registers,
  });
  const entries = new Gauge({
    name: 'sealdir_key_log_entries',
    help: 'Entries of the key log; it never falls, unless the log was cut',
    registers,
  });
  // no value until there is one: a count that began at 0 would rise at every start
  for (const series of [expiry, changes, entries]) series.remove();
  let counted = 0;
  return (keys) => {
    for (const [state, count] of Object.entries(keys.states)) keysNow.set({ state }, count);
    if (keys.earliest === undefined) expiry.remove();
    else expiry.set(keys.earliest.at / 1000);
    changes.inc(Math.max(0, keys.changes - counted));
    counted = keys.changes;
    entries.set(keys.entries);
  };
}
