/**
 * What the session gateway reports, as Prometheus series (prom-client), of all its processes. No label holds
 * an address or anything else that a client chooses.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewayMeter } from '../core/gatewaymeter.ts';
import { LOST_LINES, watchProcess } from './metrics.ts';
import type { MetricsSource } from './metricsserver.ts';
import { watchBuild, watchCertificates } from './servermetrics.ts';

export interface WatchedGateway {
  connections(): number;
  /** Who is logged in, or was for gateway.linger. */
  users(): number;
  lostLines(): number;
}

export interface GatewayMetrics extends GatewayMeter, MetricsSource {
  readonly registry: Registry;
  /** When each certificate expires that is shown from now on: seconds, by the kind of its key. */
  expires(expiries: ReadonlyMap<string, number>): void;
}

// from a header that is known to a message of 50 MiB
const OPEN_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const LOGIN_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

export function createGatewayMetrics(watched: WatchedGateway): GatewayMetrics {
  const registry = new Registry();
  watchProcess(registry);
  watchBuild(registry);
  const registers = [registry];
  const counter = (name: string, help: string, label?: string) =>
    new Counter({ name, help, registers, labelNames: label === undefined ? [] : [label] });
  const gauge = (name: string, help: string, now: () => number) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(now());
      },
    });
  gauge(
    'sealdir_gateway_connections',
    'Connections of mail programs to the gateway now',
    watched.connections,
  );
  gauge('sealdir_gateway_users', 'Users whose key is open at the gateway now', watched.users);
  gauge(LOST_LINES.name, LOST_LINES.help, watched.lostLines);
  const logins = counter(
    'sealdir_gateway_logins_total',
    'Logins at the gateway: right, wrong, or busy (told to come later, mostly while others guess)',
    'result',
  );
  const loginSeconds = new Histogram({
    name: 'sealdir_gateway_login_seconds',
    help: 'From a right password to the open key, with the wait for a turn',
    buckets: LOGIN_SECONDS,
    registers,
  });
  const turnedAway = counter(
    'sealdir_gateway_connections_refused_total',
    'Connections beyond gateway.max_connections or gateway.max_peer_connections',
  );
  const lost = counter(
    'sealdir_gateway_processes_lost_total',
    'Processes of the gateway that ended by themselves: of a user, or the front',
    'process',
  );
  const opened = counter(
    'sealdir_gateway_opened_messages_total',
    'Sealed messages that were to be shown: opened, or unopened (for another key, or damaged)',
    'result',
  );
  const openedBytes = counter('sealdir_gateway_opened_bytes_total', 'Bytes of messages that were opened');
  const openSeconds = new Histogram({
    name: 'sealdir_gateway_open_seconds',
    help: 'Opening one message and reading its structure, from the time when it is there',
    buckets: OPEN_SECONDS,
    registers,
  });
  const stored = counter(
    'sealdir_gateway_stored_messages_total',
    'Messages that programs stored: sealed (or encrypted already), or refused',
    'result',
  );
  return {
    registry,
    contentType: registry.contentType,
    text: () => registry.metrics(),
    expires: watchCertificates(registry),
    login(result, seconds) {
      logins.inc({ result });
      if (result === 'right') loginSeconds.observe(seconds);
    },
    connectionRefused: () => turnedAway.inc(),
    processLost: (process) => lost.inc({ process }),
    messages({ openSeconds: seconds, openedBytes: bytes, unopened, sealed, refused }) {
      for (const each of seconds) openSeconds.observe(each);
      opened.inc({ result: 'opened' }, seconds.length);
      opened.inc({ result: 'unopened' }, unopened);
      openedBytes.inc(bytes);
      stored.inc({ result: 'sealed' }, sealed);
      stored.inc({ result: 'refused' }, refused);
    },
  };
}
