#!/usr/bin/env node
/**
 * argv -> command. The only place that exits, reads the environment, or touches standard
 * input and output; exit codes are those of sysexits.h.
 */
import cluster from 'node:cluster';
import { readFile } from 'node:fs/promises';
import { availableParallelism, hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { checkAll } from './commands/check/check.ts';
import { deliverSample, demoText, prepareDemo } from './commands/demo.ts';
import { CommandError, EXIT } from './commands/errors.ts';
import { openMessage } from './commands/open.ts';
import { sealMessage } from './commands/seal.ts';
import { type Chosen, chooseSettings } from './commands/settings.ts';
import { formatError } from './config/load.ts';
import type { Settings } from './config/settings.ts';
import { createLog } from './edge/log.ts';
import { realWorld } from './edge/world.ts';
import { servePrimary } from './server/primary.ts';
import { createReload } from './server/reload.ts';
import { serve } from './server/serve.ts';
import { StartError } from './server/starterror.ts';
import { serveWorker } from './server/worker.ts';

const USAGE = `usage:
  sealdir serve [-c FILE]                                    LMTP server
  sealdir seal  [-c FILE] (-r RECIPIENT | -k KEYFILE)        message on stdin -> sealed message on stdout
  sealdir open  [-k SECRETKEY] [--passphrase-file F] [FILE]  sealed message -> the original on stdout
  sealdir check [-c FILE]                                    look at configuration, keys, permissions, MTA
Without -c: /etc/sealdir/sealdir.toml, or where there is none a demo under ./var.
`;

async function main(argv: string[]): Promise<number> {
  const [command, ...rest] = argv;
  const { values, positionals } = parseArgs({
    args: rest,
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      recipient: { type: 'string', short: 'r' },
      key: { type: 'string', short: 'k' },
      'passphrase-file': { type: 'string' },
    },
  });
  refuseStray(command, values, positionals);
  switch (command) {
    case 'serve':
      if (cluster.isWorker) return work();
      return runServer(await chosen(values.config));
    case 'seal': {
      const { settings } = await chosen(values.config);
      const world = realWorld(settings.hostname);
      await sealMessage(process.stdin, process.stdout, {
        settings,
        world,
        recipient: values.recipient,
        keyFile: values.key,
      });
      return 0;
    }
    case 'open': {
      const message = await readInput(positionals[0]);
      const passphraseFile = values['passphrase-file'];
      process.stdout.write(await openMessage({ message, keyFile: values.key, passphraseFile }));
      return 0;
    }
    case 'check':
      return check(await chosen(values.config));
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(USAGE);
      return 0;
    default:
      throw new CommandError('usage', USAGE.trimEnd());
  }
}

/** Options by command: one that is ignored is one that somebody meant. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  serve: ['config'],
  seal: ['config', 'recipient', 'key'],
  open: ['key', 'passphrase-file'],
  check: ['config'],
};

function refuseStray(command: string | undefined, values: object, positionals: readonly string[]): void {
  const takes = TAKES[command ?? ''];
  if (takes === undefined) return;
  const stray = Object.keys(values).find((name) => !takes.includes(name));
  if (stray !== undefined) throw new CommandError('usage', `${command} takes no --${stray}`);
  const [extra] = positionals.slice(command === 'open' ? 1 : 0);
  if (extra !== undefined)
    throw new CommandError('usage', `${command}: what is "${extra}"? A configuration goes behind -c`);
}

interface Ready {
  readonly settings: Settings;
  readonly file: string | undefined;
}

async function chosen(file: string | undefined): Promise<Ready> {
  const { loaded, file: from }: Chosen = await chooseSettings(file, hostname());
  if (loaded.ok) return { settings: loaded.settings, file: from };
  throw new CommandError('config', loaded.errors.map(formatError).join('\n'));
}

async function runServer({ settings, file }: Ready): Promise<number> {
  // a demo has nothing to reload, and ends with its terminal
  const stops = stopSignals(file === undefined ? ['SIGTERM', 'SIGINT', 'SIGHUP'] : ['SIGTERM', 'SIGINT']);
  const hangups = file === undefined ? undefined : listenForHangups();
  const log = createLog(settings.log.level);
  const isFirstStart = file === undefined && (await prepareDemo());
  const processes = settings.processes === 0 ? availableParallelism() : settings.processes;
  const inherited = inheritedSockets();
  const starting =
    processes === 1
      ? serve(settings, log, inherited)
      : servePrimary({ settings, log, inherited, processes }, stops.first);
  const running = await starting.catch((error: unknown) => {
    if (error instanceof StartError) throw new CommandError('config', error.message);
    throw error;
  });
  if (running === undefined) return 0; // told to stop before it had started
  log.info('listening', { lmtp: running.lmtp, metrics: running.metrics, config: file ?? 'demo' });
  if (file === undefined) {
    if (isFirstStart) log.info('demo sample', { reply: await deliverSample('var/lmtp.sock') });
    process.stdout.write(await demoText(isFirstStart, running.metrics));
  }
  const load = async () => (await chooseSettings(file, hostname())).loaded;
  hangups?.(createReload({ log, running, load }, settings));
  const reason = await Promise.race([stops.first, running.failed]);
  log.info('stopping', { reason });
  // a second signal cuts off what is under way: its clients were told nothing and will send again
  await Promise.race([running.stop(), stops.second.then(() => running.stop(0))]);
  log.info('stopped');
  // what is no signal is a failure: the service manager starts us anew
  return reason.startsWith('SIG') ? 0 : EXIT.software;
}

/** A worker process; it is the primary that signals are for. */
async function work(): Promise<number> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  return (await serveWorker()) === 'failed' ? EXIT.config : 0;
}

/** systemd's protocol: descriptors from 3 on (sd_listen_fds(3)). */
function inheritedSockets(): number[] {
  const count = process.env.LISTEN_PID === String(process.pid) ? Number(process.env.LISTEN_FDS) : 0;
  return Array.from({ length: count }, (_, index) => 3 + index);
}

/** One listener for all of them: between two listeners a signal would end the process on the spot. */
function stopSignals(names: readonly NodeJS.Signals[]): Record<'first' | 'second', Promise<NodeJS.Signals>> {
  const waiting: ((signal: NodeJS.Signals) => void)[] = [];
  const next = () => new Promise<NodeJS.Signals>((resolve) => void waiting.push(resolve));
  for (const name of names) process.on(name, (signal) => waiting.shift()?.(signal));
  return { first: next(), second: next() };
}

/** SIGHUP, which by default would end the process, goes to the function given to what is returned; an early one is kept. */
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

async function check({ settings, file }: Ready): Promise<number> {
  const findings = await checkAll(settings, new Date());
  for (const { level, what, fix } of findings) process.stdout.write(`${level}: ${what}\n    fix: ${fix}\n`);
  const errors = findings.filter(({ level }) => level === 'error').length;
  process.stdout.write(
    `${file ?? 'demo settings'}: ${errors} errors, ${findings.length - errors} warnings\n`,
  );
  return errors > 0 ? EXIT.config : 0;
}

async function readInput(path: string | undefined): Promise<Buffer> {
  if (path !== undefined) {
    return readFile(path).catch((error: Error) => {
      throw new CommandError('noInput', error.message);
    });
  }
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

main(process.argv.slice(2)).then(
  (code) => exitWhenWritten(code),
  (error: unknown) => {
    const isArgument = error instanceof TypeError && 'code' in error;
    const kind = error instanceof CommandError ? error.kind : isArgument ? 'usage' : 'software';
    process.stderr.write(`sealdir: ${error instanceof Error ? error.message : String(error)}\n`);
    exitWhenWritten(EXIT[kind]);
  },
);

/** A pipe may not have taken everything yet; exiting now would cut a message short. */
function exitWhenWritten(code: number): void {
  process.stdout.write('', () => process.exit(code));
}
