/**
 * What the delivery path reports, as Prometheus series (prom-client). No label holds an address, a path or
 * anything else that a client chooses.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { within } from '../core/deadline.ts';
import type { Meter, SealedCopy, Step } from '../core/meter.ts';
import { forwardedCounters, type WatchedHops, watchHops } from './forwardmetrics.ts';
import type { MetricsSource } from './metricsserver.ts';
import { type WatchedState, watchState } from './statemetrics.ts';

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

export interface Watched extends WatchedHops, WatchedState {
  connections(): number;
  deliveries(): number;
  /** Log lines that could not be written so far. */
  lostLines(): number;
  /** Undefined where the file system does not say. */
  freeBytes(): Promise<number | undefined>;
  /** What has to stay free: mail is deferred below it. */
  minFreeBytes(): number;
}

/**
 * Of prom-client, left out: sums over all handles and the like, which are named as counters and are none, and
 * what only adds to the cost of a scrape.
 */
const LEFT_OUT = ['handles', 'requests', 'resources']
  .flatMap((kind) => [`nodejs_active_${kind}`, `nodejs_active_${kind}_total`])
  .concat(['total', 'used', 'available'].map((kind) => `nodejs_heap_space_size_${kind}_bytes`));
/** A mean over processes would hide the one that is slow. */
const OF_SLOWEST = ['', 'mean_', 'p50_', 'p90_', 'p99_'].map((part) => `nodejs_eventloop_lag_${part}seconds`);
const START_TIME = 'process_start_time_seconds';
/** A file system that hangs must not hold up the figures. */
const FREE_MS = 200;

interface Described {
  readonly name: string;
  readonly help: string;
}

const CONNECTIONS = { name: 'sealdir_connections', help: 'LMTP connections open now' };
const DELIVERIES = {
  name: 'sealdir_deliveries',
  help: 'Copies on their way to a mailbox now, from DATA to stored or given up',
};
const FREE = {
  name: 'sealdir_store_free_bytes',
  help: 'Bytes free for mail on the file system of the store, of several roots on the fullest; no value while it does not answer',
};
const MIN_FREE = {
  name: 'sealdir_store_min_free_bytes',
  help: 'The setting store.min_free_space: mail is deferred when less is free',
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
  /** Counts a reply; `enhanced` is '' where it has no such code. */
  reply(code: number, enhanced: string): void;
  /** Adds series whose values are asked for at each scrape. */
  watch(now: Watched): void;
}

/** Adds the series of Node and of the process itself, and says what those of several processes come to. */
export function watchProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  for (const name of OF_SLOWEST) Object.assign(registry.getSingleMetric(name) ?? {}, { aggregator: 'max' });
  // the primary started first
  Object.assign(registry.getSingleMetric(START_TIME) ?? {}, { aggregator: 'min' });
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  watchProcess(registry);
  const registers = [registry];
  const recipients = new Counter({
    name: 'sealdir_recipients_total',
    help: 'Recipients answered, by reason and verdict: stored, deferred, refused, or probed (refused at RCPT, and no DATA followed)',
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
  const sealed = sealedCounters(registry);
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
    recipient: (verdict, why, count = 1) => recipients.inc({ verdict, why }, count),
    message(verdict, size) {
      messages.inc({ verdict });
      bytes.inc({ verdict }, size);
    },
    received: receivedCounter(registry),
    keyFileRefused: () => keyFiles.inc(),
    reply: replyCounter(registry),
    sealed,
    forwarded: forwardedCounters(registry, SECONDS),
    watch(now) {
      const { connections, deliveries, lostLines, freeBytes, minFreeBytes } = now;
      gauge(registry, CONNECTIONS, connections);
      gauge(registry, DELIVERIES, deliveries);
      watchHops(registry, now);
      gauge(registry, LOST_LINES, lostLines);
      watchState(registry, now);
      gauge(registry, MIN_FREE, minFreeBytes, 'max');
      new Gauge({
        ...FREE,
        aggregator: 'min',
        registers,
        async collect() {
          const free = await within(freeBytes(), FREE_MS);
          if (typeof free === 'number') this.set(free);
          else this.remove();
        },
      });
    },
  };
}

/** Adds the series about replies. Counting must cost next to nothing: each command has one. */
function replyCounter(registry: Registry): Metrics['reply'] {
  const counts = new Map<string, number>();
  new Counter({
    name: 'sealdir_replies_total',
    help: 'Replies of LMTP, greetings included, by code and enhanced status code (empty where a reply has none)',
    labelNames: ['code', 'enhanced'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, count] of counts) {
        const [code = '', enhanced = ''] = key.split(' ');
        this.inc({ code, enhanced }, count);
      }
    },
  });
  return (code, enhanced) => {
    const key = `${code} ${enhanced}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
}

/** Adds the series about TLS between the sender's mail server and ours. The labels have few values. */
function receivedCounter(registry: Registry): Metrics['received'] {
  const received = new Counter({
    name: 'sealdir_received_messages_total',
    help: 'Messages stored, by the TLS version and cipher with which they came to the mail server in front, as its Received field says; version "none": in clear, "local": from this machine or its users, "unknown": not told',
    labelNames: ['version', 'cipher'],
    registers: [registry],
  });
  return ({ version, cipher }) => received.inc({ version, cipher });
}

/** Adds the series about encryption; call the function returned with each copy. */
function sealedCounters(registry: Registry): (copy: SealedCopy) => void {
  const common = { labelNames: ['seipd'], registers: [registry] };
  const copies = new Counter({
    name: 'sealdir_sealed_copies_total',
    help: 'Copies that were encrypted to their end, by version of the SEIPD packet',
    ...common,
  });
  const bytes = new Counter({
    name: 'sealdir_sealed_bytes_total',
    help: 'Bytes of these copies before encryption, header included',
    ...common,
  });
  const seconds = new Counter({
    name: 'sealdir_sealed_seconds_total',
    help: 'Time for the encryption and the armor of these copies, session-key packets included',
    ...common,
  });
  return ({ seipd, ...copy }) => {
    copies.inc({ seipd });
    bytes.inc({ seipd }, copy.bytes);
    seconds.inc({ seipd }, copy.seconds);
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
