/**
 * `sealdir serve`: the server in the foreground, from its start until a signal ends it. Handles the signals,
 * the reloads and what the demo adds. Sockets and deliveries are the work of `server/`.
 */
import { checkAside } from './check/aside.ts';
import { deliverSample, demoText, prepareDemo } from './commands/demo.ts';
import { CommandError } from './commands/errors.ts';
import { openServerLog } from './commands/openlog.ts';
import type { Loaded } from './config/load.ts';
import { processesOf } from './config/processes.ts';
import type { Settings } from './config/settings.ts';
import type { OnUsed } from './core/usedkeys.ts';
import type { Activation } from './edge/activation.ts';
import type { Log } from './edge/log.ts';
import { Supervisor } from './edge/supervisor.ts';
import { realWorld } from './edge/world.ts';
import { startFolders } from './folders/keep.ts';
import { type RunningKeeper, startKeeper } from './keeper/keep.ts';
import { UsedQueue } from './keeper/usedqueue.ts';
import { servePrimary } from './server/primary.ts';
import { createReload, type ReloadParts } from './server/reload.ts';
import { type Running, serve } from './server/serve.ts';
import { StartError } from './server/starterror.ts';
import { serveWorker } from './server/worker.ts';

/** Looking at more key files would take the time of deliveries; `sealdir check` looks at all. */
const MOST_KEY_FILES = 1000;

const TOO_MANY_USED =
  'it does not keep up with the keys that are used: some that were put back at once may not be logged';

const NOT_LOGGED = 'it has ended before it had compared all keys that were used with the key log';

export interface ServeOptions {
  readonly settings: Settings;
  /** The configuration file, or undefined for the demo. */
  readonly file: string | undefined;
  /** Reads the configuration again. */
  load(): Promise<Loaded>;
  readonly activation: Activation;
  /** What systemd says of standard error, if it is the journal (JOURNAL_STREAM). */
  readonly journal: string | undefined;
  /** Shows text on the terminal. */
  print(text: string): void;
}

/** Serves until a signal. Resolves to the exit code. */
export async function serveInForeground(options: ServeOptions): Promise<number> {
  const { settings, file, load, activation } = options;
  // a demo has nothing to reload, and ends with its terminal
  const stops = stopSignals(file === undefined ? ['SIGTERM', 'SIGINT', 'SIGHUP'] : ['SIGTERM', 'SIGINT']);
  const hangups = file === undefined ? undefined : listenForHangups();
  const log = openServerLog({ ...options, world: realWorld(settings.hostname) });
  for (const error of activation.complaints) log.warn('systemd', { error });
  const isFirstStart = file === undefined && (await prepareDemo());
  const used = new UsedQueue(() => log.warn('keeper', { error: TOO_MANY_USED }));
  const running = await start(options, log, stops.first, used.add);
  if (running === undefined) return 0; // told to stop before it had started
  const supervisor = new Supervisor(activation.supervision, (error) => log.fault('systemd', error));
  supervisor.ready(running.isWell);
  log.info('listening', { lmtp: running.lmtp, metrics: running.metrics, config: file ?? 'demo' });
  if (file === undefined) {
    if (isFirstStart) log.info('demo sample', { reply: await deliverSample('var/lmtp.sock') });
    options.print(await demoText(isFirstStart, running.metrics));
  }
  const keeper = startKeeper({ settings, log, note: running.noteKeys, used });
  const folders = startFolders({ settings, log, note: running.noteFolders });
  hangups?.(createReload({ log, running: withAside(running, [keeper, folders]), load }, settings));
  const ending = new AbortController();
  if (file !== undefined) void logFindings(settings, file, log, ending.signal);
  const reason = await stops.first;
  log.info('stopping', { reason });
  supervisor.stopping();
  ending.abort();
  const foldersEnd = folders.stop();
  // A second signal cuts off the deliveries under way. Their clients got no reply and will send them again.
  await Promise.race([running.stop(), stops.second.then(() => running.stop(0))]);
  await foldersEnd;
  await keeper.stop(); // only now: it logs what the last deliveries have used
  if (used.waiting > 0) log.warn('keeper', { error: NOT_LOGGED, files: used.waiting });
  log.info('stopped');
  return 0;
}

/** Has the processes beside the server use the settings of a reload as well. */
function withAside(
  running: Running,
  aside: readonly Pick<RunningKeeper, 'reload'>[],
): ReloadParts['running'] {
  return {
    certificates: running.certificates,
    noteReload: running.noteReload,
    reload(settings) {
      running.reload(settings);
      for (const each of aside) each.reload(settings);
    },
  };
}

/** Undefined if it was told to stop before it had started. */
async function start(
  { settings, activation: { inherited } }: ServeOptions,
  log: Log,
  stopped: Promise<unknown>,
  onUsed: OnUsed,
): Promise<Running | undefined> {
  const processes = processesOf(settings);
  const starting =
    processes === 1
      ? serve(settings, log, inherited, { onUsed })
      : servePrimary({ settings, log, inherited, processes, onUsed }, stopped);
  return starting.catch((error: unknown) => {
    if (error instanceof StartError) throw new CommandError('config', error.message);
    throw error;
  });
}

const LOGGED_AS = { error: 'error', warning: 'warn', note: 'info' } as const;

/** Logs what `sealdir check` would find, while the first mail arrives already. */
async function logFindings(settings: Settings, file: string, log: Log, stopped: AbortSignal): Promise<void> {
  try {
    const findings = await checkAside({ settings, file, mostKeyFiles: MOST_KEY_FILES }, stopped);
    for (const { id, level, what, why, fix } of findings)
      log.say(LOGGED_AS[level], 'check', { id, what, why, fix });
  } catch (error) {
    if (!stopped.aborted) log.fault('check', error);
  }
}

/**
 * Runs a worker process until its primary ends it; resolves to the exit code. Signals are for the primary
 * alone.
 */
export async function serveAsWorker(): Promise<number> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  await serveWorker();
  return 0;
}

/**
 * Uses one listener for both signals: with none, even for a moment, the second would end the process at once.
 */
function stopSignals(names: readonly NodeJS.Signals[]): Record<'first' | 'second', Promise<NodeJS.Signals>> {
  const waiting: ((signal: NodeJS.Signals) => void)[] = [];
  const next = () => new Promise<NodeJS.Signals>((resolve) => void waiting.push(resolve));
  for (const name of names) process.on(name, (signal) => waiting.shift()?.(signal));
  return { first: next(), second: next() };
}

/**
 * Listens for SIGHUP, which by default ends the process. Call the returned function with the reload to run
 * on each; one that came earlier is not forgotten.
 */
function listenForHangups(): (reload: () => Promise<void>) => void {
  let isEarly = false;
  let act = () => {
    isEarly = true;
  };
  process.on('SIGHUP', () => act());
  return (reload) => {
    act = reload;
    if (isEarly) reload();
  };
}
