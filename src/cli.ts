/**
 * argv -> command. The only place that exits, reads the environment, or touches standard input and output.
 * A command is imported when it is chosen, so that an MTA that pipes each message through `sealdir seal`
 * does not load the server every time. Exit codes are those of sysexits.h; `check` has some of its own.
 */
import { fstatSync } from 'node:fs';
import { hostname } from 'node:os';
import { readArguments, refuseStray } from './commands/arguments.ts';
import { CommandError, EXIT } from './commands/errors.ts';
import { type Given, OPTIONS } from './commands/options.ts';
import { USAGE } from './commands/usage.ts';
import type { Settings } from './config/settings.ts';
import { visible } from './core/visible.ts';
import type { Activation } from './edge/activation.ts';

/** A command that reads its own options. */
type Listing = typeof import('./commands/key/key.ts').keyCommand;

interface Command {
  /** Options it uses; any other is refused, since somebody meant something by it. */
  readonly takes: readonly string[];
  readonly maxOperands: number;
  run(given: Given): Promise<number>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { takes: ['config'], maxOperands: 0, run: serve },
  seal: { takes: ['config', 'recipient', 'key', 'verbose'], maxOperands: 0, run: seal },
  deliver: {
    takes: ['config', 'sender', 'detail', 'verbose'],
    maxOperands: Number.POSITIVE_INFINITY,
    run: deliver,
  },
  open: {
    takes: ['key', 'agent', 'passphrase-file', 'original', 'into'],
    maxOperands: Number.POSITIVE_INFINITY,
    run: open,
  },
  lookup: { takes: ['config'], maxOperands: 1, run: lookup },
  owners: { takes: ['config'], maxOperands: 0, run: owners },
  check: { takes: ['config', 'json'], maxOperands: 0, run: check },
  'tls-report': { takes: ['config', 'json', 'log'], maxOperands: 0, run: tlsReport },
};

async function main(argv: string[]): Promise<number> {
  const [name = '', ...rest] = argv;
  if (['--help', '-h', 'help'].includes(name)) return print(USAGE);
  if (name === '--version') return print(`sealdir ${(await import('./edge/build.ts')).buildOf().version}\n`);
  if (name === 'key') return lines((await import('./commands/key/key.ts')).keyCommand, rest);
  if (name === 'migrate') return lines((await import('./commands/migrate/command.ts')).migrateCommand, rest);
  if (name === 'reseal') return lines((await import('./commands/reseal/command.ts')).resealCommand, rest);
  if (name === 'gateway')
    return (await import('./commands/gateway.ts')).gatewayCommand(rest, process.env, journal());
  if (name === 'bridge') return (await import('./commands/bridge.ts')).bridgeCommand(rest, process.env);
  if (name === 'dns') return lines((await import('./commands/dns/dns.ts')).dnsCommand, rest);
  const custody = () => import('./commands/custody/custody.ts');
  if (name === 'enroll') return lines((await custody()).enrollCommand, rest, remember);
  if (name === 'slots') return lines((await custody()).slotsCommand, rest, remember);
  if (name === 'recover') return lines((await custody()).recoverCommand, rest, remember);
  const { options, operands } = readArguments(rest, OPTIONS) as Given;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new CommandError('usage', ...USAGE.trimEnd().split('\n'));
  refuseStray(name, { options, operands }, command.takes);
  const extra = operands[command.maxOperands];
  if (extra !== undefined)
    throw new CommandError('usage', `${name}: what is "${extra}"? A configuration goes after -c`);
  return command.run({ options, operands });
}

/** `onTrouble` is told if standard output cannot be written. */
async function lines(command: Listing, args: readonly string[], onTrouble = endQuietly): Promise<number> {
  const { stdout, stderr } = process;
  stdout.on('error', onTrouble);
  return command(args, { stdout, stderr, stdin: standardInput });
}

async function serve({ options }: Given): Promise<number> {
  const { default: cluster } = await import('node:cluster');
  const { serveAsWorker, serveInForeground } = await import('./foreground.ts');
  if (cluster.isWorker) return serveAsWorker();
  const { settings, file } = await settingsOf(options.config);
  const { chooseSettings } = await import('./commands/settings.ts');
  const load = async () => (await chooseSettings(options.config, hostname())).loaded;
  return serveInForeground({
    settings,
    file,
    load,
    activation: await activation(),
    journal: journal(),
    print,
  });
}

async function seal({ options }: Given): Promise<number> {
  // a key file needs no configuration
  const { settings } = await (options.key === undefined ? mailSettingsOf : settingsOf)(options.config);
  const commands = await import('./commands/seal.ts');
  const { realWorld } = await import('./edge/world.ts');
  const world = realWorld(settings.hostname);
  const { recipient, key: keyFile } = options;
  const warn = (sentence: string, reasons: string) =>
    process.stderr.write(`sealdir: ${visible(isForPerson() ? `${sentence}: ${reasons}` : sentence)}\n`);
  const parts = { settings, world, recipient, keyFile, warn };
  const sealing = commands.seal(standardInput(), process.stdout, parts);
  await sealing.catch(hidingIn(settings, [recipient ?? '']));
  return 0;
}

async function deliver({ options, operands: recipients }: Given): Promise<number> {
  const { settings } = await mailSettingsOf(options.config);
  const { deliverToServer } = await import('./commands/deliver.ts');
  const { sender, detail } = options;
  const delivering = deliverToServer({ settings, message: standardInput(), sender, detail, recipients });
  await delivering.catch(hidingIn(settings, [sender ?? '', ...recipients]));
  return 0;
}

/** Returns what throws an error again, fit for the log of the system. */
function hidingIn(settings: Settings, addresses: readonly string[]): (error: unknown) => Promise<never> {
  return async (error) => {
    const { hideInLog } = await import('./commands/hideinlog.ts');
    throw hideInLog(error, settings, addresses);
  };
}

async function open({ options, operands: paths }: Given): Promise<number> {
  const { runOpen } = await import('./commands/opencommand.ts');
  const { realWorld } = await import('./edge/world.ts');
  const { stdout, stderr } = process;
  const environment = process.env; // for the pinentry of gpg-agent
  const world = realWorld(hostname());
  const standard = { stdin: standardInput, stdout, stderr, world, environment };
  return runOpen(options, paths, standard);
}

async function lookup({ options, operands: [address] }: Given): Promise<number> {
  const { settings } = await settingsOf(options.config);
  const { lookUp } = await import('./commands/lookup.ts');
  const { realWorld } = await import('./edge/world.ts');
  await lookUp({ settings, world: realWorld(settings.hostname), address, print });
  return 0;
}

async function owners({ options }: Given): Promise<number> {
  const { settings } = await settingsOf(options.config);
  const { serveOwners } = await import('./commands/owners.ts');
  return serveOwners({ settings, activation: await activation(), journal: journal() });
}

async function check({ options }: Given): Promise<number> {
  const { checkReport } = await import('./commands/check.ts');
  const form = options.json === true ? 'json' : 'text';
  const { text, code } = await checkReport(options.config, { hostname: hostname(), now: new Date(), form });
  print(text);
  return code;
}

async function tlsReport({ options }: Given): Promise<number> {
  const commands = await import('./commands/tlsreport.ts');
  process.stdout.on('error', endQuietly);
  const { stdout, stderr } = process;
  await commands.tlsReport({
    settings: async () => (await settingsOf(options.config)).settings,
    log: options.log,
    form: options.json === true ? 'json' : 'text',
    columns: stdout.isTTY ? stdout.columns : undefined,
    print,
    warn: (sentence) => stderr.write(`sealdir: ${visible(sentence)}\n`),
  });
  return 0;
}

async function settingsOf(config: string | undefined) {
  const commands = await import('./commands/settings.ts');
  return commands.settingsOf(config, hostname());
}

/** For mail: where there is no configuration it waits. */
async function mailSettingsOf(config: string | undefined) {
  const commands = await import('./commands/settings.ts');
  return commands.mailSettingsOf(config, hostname());
}

/** Device and inode of the journal's end (systemd.exec(5)). */
function journal(): string | undefined {
  return process.env.JOURNAL_STREAM;
}

/** What systemd says in the environment. */
async function activation(): Promise<Activation> {
  const { activationOf } = await import('./edge/activation.ts');
  return activationOf(process.env, process.pid);
}

/** Returns standard input. Node would read a directory there as an empty message. */
function standardInput(): NodeJS.ReadStream {
  if (fstatSync(0).isDirectory())
    throw new CommandError('noInput', 'standard input is a directory, not a message');
  return process.stdin;
}

/** Whoever reads a list may have seen enough of it. */
function endQuietly({ code }: NodeJS.ErrnoException): void {
  process.exit(code === 'EPIPE' ? 0 : EXIT.ioError);
}

/** For commands that must not end before they have cleaned up. */
function remember({ code }: NodeJS.ErrnoException): void {
  if (code !== 'EPIPE') process.exitCode = EXIT.ioError;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => exitWhenWritten(code),
  async (error: unknown) => {
    const { lines, code } = await failureOf(error);
    process.stderr.write(`sealdir: ${lines.map(visible).join('\n')}\n`);
    exitWhenWritten(code);
  },
);

/** What a mail server runs says nothing that a stranger may not read, unless a person is looking. */
async function failureOf(
  error: unknown,
): Promise<{ readonly lines: readonly string[]; readonly code: number }> {
  const { kind, everything: lines } =
    error instanceof CommandError
      ? error
      : { kind: 'software' as const, everything: [error instanceof Error ? error.message : String(error)] };
  if (!['seal', 'deliver'].includes(process.argv[2] ?? '')) return { lines, code: EXIT[kind] };
  const { failureForMta } = await import('./commands/formta.ts');
  const failure = failureForMta(error);
  return isForPerson() ? { lines, code: failure.code } : failure;
}

function isForPerson(): boolean {
  return process.stderr.isTTY || process.argv.includes('--verbose');
}

/** A pipe may not have taken everything yet; exiting now would cut a message short. */
function exitWhenWritten(code: number): void {
  process.stdout.on('error', remember);
  // a write that failed is told of after its callback
  process.stdout.write('', () => setImmediate(() => process.exit(code || process.exitCode)));
}
