/**
 * `sealdir gateway`: plain IMAP over a store of sealed mail, in the foreground until a signal ends it. It is
 * another program than the LMTP server, for another user: it has secret keys while their owners are logged
 * in.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { TlsMaterial } from '../core/tls.ts';
import { expiriesOf, identityOf, readTls } from '../edge/certificates.ts';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { createGatewayMetrics } from '../edge/gatewaymetrics.ts';
import type { Log } from '../edge/log.ts';
import { createMetricsServer, type MetricsSource } from '../edge/metricsserver.ts';
import { claimPaths, listenOn } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { Fronts } from '../gateway/fronts.ts';
import { Logins } from '../gateway/logins.ts';
import { connectTo } from '../gateway/userparts.ts';
import { Users } from '../gateway/users.ts';
import { tlsFilesOf } from '../site.ts';
import { readArguments } from './arguments.ts';
import { CommandError } from './errors.ts';
import { openHelperLog } from './openlog.ts';
import { settingsOf } from './settings.ts';

const OPTIONS = { config: { type: 'string', short: 'c' } } as const;
/** Whoever may connect can try passwords. */
const SOCKET_MODE = 0o660;
const CERTIFICATES_MS = 60_000;

/** Serves until a signal. Resolves to the exit code. */
export async function gatewayCommand(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  journal: string | undefined,
): Promise<number> {
  const { options, operands } = readArguments([...args], OPTIONS);
  const { config } = options as { readonly config?: string }; // what OPTIONS says
  if (operands[0] !== undefined)
    throw new CommandError('usage', `gateway: what is "${operands[0]}"? A configuration goes after -c`);
  const { settings, file } = await settingsOf(config, hostname());
  const { gateway } = settings;
  if (gateway.upstream === undefined) throw new CommandError('config', 'gateway.upstream is not set');
  const stopped = new Promise((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  });
  const world = realWorld(settings.hostname);
  const log = openHelperLog({ settings, file, journal, world });
  const reason = await turnOffCoreDumps();
  if (reason !== undefined) log.warn('core dumps are not turned off: one may hold mail in clear', { reason });
  const directory = mkdtempSync(join(runtimeDirectory(environment), 'sealdir-gateway-'));
  const { say } = log;
  const meter = createGatewayMetrics({
    connections: () => fronts?.connections ?? 0,
    users: () => users.count,
    lostLines: () => log.lostLines,
  });
  const users = new Users({ settings, directory, environment, lingerMs: gateway.linger, say, meter });
  const logins = new Logins({ settings, users, world, say, meter });
  const claimed = await claimPaths(gateway.listen.filter((each) => each.type !== 'tls'));
  const servers: Server[] = [];
  let fronts: Fronts | undefined;
  try {
    const tls = await readTls(tlsFilesOf(settings)).catch((error: Error) => {
      throw new CommandError('config', error.message);
    });
    fronts = new Fronts({ settings, logins, world, say, meter }, tls);
    const imap = await listen(fronts, settings, servers).catch((error: Error) => {
      throw new CommandError('config', `gateway.listen: ${error.message}`);
    });
    if (tls !== undefined) {
      meter.expires(expiriesOf(tls));
      watch(settings, log, (renewed) => {
        if (fronts !== undefined) fronts.tls = renewed;
        meter.expires(expiriesOf(renewed));
      });
    }
    const metrics = await answerScrapes(settings, meter, servers);
    log.info('gateway listening', { imap, metrics, config: file ?? 'demo' });
    await stopped;
  } finally {
    for (const each of servers) each.close();
    fronts?.stop();
    users.stop();
    claimed.release();
    rmSync(directory, { recursive: true, force: true });
  }
  log.info('stopped');
  return 0;
}

/** What systemd has made for it: of a temporary directory somebody may clear what has been there for days. */
function runtimeDirectory({ RUNTIME_DIRECTORY: given }: NodeJS.ProcessEnv): string {
  return given?.split(':')[0] || tmpdir();
}

async function listen(fronts: Fronts, settings: Settings, servers: Server[]): Promise<string[]> {
  const addresses: string[] = [];
  for (const listener of settings.gateway.listen) {
    const isTls = listener.type === 'tls';
    if (isTls && settings.tls.certificate.length === 0)
      throw new Error('"tls://" needs tls.certificate and tls.key');
    const server = createServer({ pauseOnConnect: true }, (socket) => fronts.take(socket, isTls));
    servers.push(server);
    const at = await listenOn(server, isTls ? { ...listener, type: 'tcp' } : listener, SOCKET_MODE);
    addresses.push(isTls ? `tls://${at}` : at);
  }
  return addresses;
}

/** Returns where, or undefined if nobody is answered. */
async function answerScrapes(
  { gateway }: Settings,
  source: MetricsSource,
  servers: Server[],
): Promise<string | undefined> {
  const listen = gateway.metrics_listen;
  if (listen.type === 'off') return undefined;
  const { server } = createMetricsServer(source, () => troubleBehind(gateway.upstream));
  servers.push(server);
  return listenOn(server, listen, SOCKET_MODE).catch((error: Error) => {
    throw new CommandError('config', `gateway.metrics_listen: ${error.message}`);
  });
}

/** What keeps sessions from beginning, for /readyz. */
async function troubleBehind(upstream: Settings['gateway']['upstream']): Promise<string[]> {
  try {
    (await connectTo(upstream)).destroy();
    return [];
  } catch (error) {
    return [`gateway.upstream: ${(error as Error).message}`];
  }
}

/** Shows new certificates to new connections. */
function watch(settings: Settings, log: Log, renew: (tls: TlsMaterial) => void): void {
  const files = tlsFilesOf(settings);
  let known: string | undefined;
  const look = async () => {
    const identity = await identityOf(files);
    const isNew = known !== undefined && identity !== known;
    known = identity;
    if (!isNew) return;
    try {
      const tls = await readTls(files);
      if (tls !== undefined) renew(tls);
      log.info('certificates reloaded', { files: [...files.certificates] });
    } catch (error) {
      log.fault('new certificates cannot be used, the old ones stay', error);
    }
  };
  void look();
  setInterval(() => void look(), CERTIFICATES_MS).unref();
}
