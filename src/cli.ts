/**
 * argv -> command. The only place that exits, reads the environment, or touches standard input and output.
 * A command is imported when it is chosen, so that an MTA that pipes each message through `sealdir seal`
 * does not load the server every time. Exit codes are those of sysexits.h; `check` has some of its own.
 */
import { once } from 'node:events';
import { fstatSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { readArguments, refuseStray } from './commands/arguments.ts';
import { CommandError, EXIT } from './commands/errors.ts';
import { USAGE } from './commands/usage.ts';
import { visible } from './core/visible.ts';

interface Given {
  readonly options: Readonly<
    Partial<Record<'config' | 'recipient' | 'sender' | 'detail' | 'key' | 'passphrase-file', string>>
  >;
  readonly operands: readonly string[];
}

interface Command {
  /** Options it uses; any other is refused, since somebody meant something by it. */
  readonly takes: readonly string[];
  readonly maxOperands: number;
  run(given: Given): Promise<number>;
}

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  recipient: { type: 'string', short: 'r' },
  sender: { type: 'string', short: 'f' },
  detail: { type: 'string', short: 'a' },
  key: { type: 'string', short: 'k' },
  'passphrase-file': { type: 'string' },
  verbose: { type: 'boolean' },
} as const;

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { takes: ['config'], maxOperands: 0, run: serve },
  seal: { takes: ['config', 'recipient', 'key', 'verbose'], maxOperands: 0, run: seal },
  deliver: {
    takes: ['config', 'sender', 'detail', 'verbose'],
    maxOperands: Number.POSITIVE_INFINITY,
    run: deliver,
  },
  open: { takes: ['key', 'passphrase-file'], maxOperands: 1, run: open },
  lookup: { takes: ['config'], maxOperands: 1, run: lookup },
  owners: { takes: ['config'], maxOperands: 0, run: owners },
  check: { takes: ['config'], maxOperands: 0, run: check },
};

async function main(argv: string[]): Promise<number> {
  const [name = '', ...rest] = argv;
  if (['--help', '-h', 'help'].includes(name)) return print(USAGE);
  if (name === '--version') return print(`sealdir ${version()}\n`);
  if (name === 'key') return key(rest);
  const { options, operands } = readArguments(rest, OPTIONS) as Given;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new CommandError('usage', ...USAGE.trimEnd().split('\n'));
  refuseStray(name, { options, operands }, command.takes);
  const extra = operands[command.maxOperands];
  if (extra !== undefined)
    throw new CommandError('usage', `${name}: what is "${extra}"? A configuration goes after -c`);
  return command.run({ options, operands });
}

async function key(args: string[]): Promise<number> {
  // whoever reads a list may have seen enough of it
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 70));
  const { keyCommand } = await import('./commands/key/key.ts');
  const { stdout, stderr } = process;
  return keyCommand(args, { stdout, stderr, stdin: standardInput });
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
    inherited: inheritedSockets(),
    journal: journal(),
    print,
  });
}

async function seal({ options }: Given): Promise<number> {
  const { settings } = await settingsOf(options.config);
  const commands = await import('./commands/seal.ts');
  const { realWorld } = await import('./edge/world.ts');
  const world = realWorld(settings.hostname);
  const { recipient, key: keyFile } = options;
  const warn = (sentence: string, reasons: string) =>
    process.stderr.write(`sealdir: ${visible(isForPerson() ? `${sentence}: ${reasons}` : sentence)}\n`);
  await commands.seal(standardInput(), process.stdout, { settings, world, recipient, keyFile, warn });
  return 0;
}

async function deliver({ options, operands: recipients }: Given): Promise<number> {
  const { settings } = await settingsOf(options.config);
  const { deliverToServer } = await import('./commands/deliver.ts');
  const { sender, detail } = options;
  await deliverToServer({ settings, message: standardInput(), sender, detail, recipients });
  return 0;
}

async function open({ options, operands: [file] }: Given): Promise<number> {
  const { openMessage } = await import('./commands/open.ts');
  const { openInput } = await import('./commands/inputfile.ts');
  const { key: keyFile, 'passphrase-file': passphraseFile } = options;
  const { turnOffCoreDumps } = await import('./edge/coredumps.ts');
  await turnOffCoreDumps(); // one that cannot be turned off is no reason to leave mail unread
  const message = file === undefined ? standardInput() : await openInput(file, 'message');
  const canAsk = process.stderr.isTTY === true;
  for (const piece of await openMessage({ message, keyFile, passphraseFile, canAsk }))
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
  return 0;
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
  return serveOwners({ settings, inherited: inheritedSockets(), journal: journal() });
}

async function check({ options }: Given): Promise<number> {
  const { settings, file } = await settingsOf(options.config);
  const { checkReport } = await import('./commands/check.ts');
  const { text, code } = await checkReport({ settings, file, now: new Date() });
  print(text);
  return code;
}

async function settingsOf(config: string | undefined) {
  const commands = await import('./commands/settings.ts');
  return commands.settingsOf(config, hostname());
}

function version(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** Device and inode of the journal's end (systemd.exec(5)). */
function journal(): string | undefined {
  return process.env.JOURNAL_STREAM;
}

/** systemd's protocol: descriptors from 3 on (sd_listen_fds(3)). */
function inheritedSockets(): number[] {
  const count = process.env.LISTEN_PID === String(process.pid) ? Number(process.env.LISTEN_FDS) : 0;
  return Array.from({ length: count }, (_, index) => 3 + index);
}

/** Returns standard input. Node would read a directory there as an empty message. */
function standardInput(): NodeJS.ReadStream {
  if (fstatSync(0).isDirectory())
    throw new CommandError('noInput', 'standard input is a directory, not a message');
  return process.stdin;
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
  process.stdout.write('', () => process.exit(code));
}
