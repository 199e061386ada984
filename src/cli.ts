/**
 * argv -> command. The only place that exits, reads the environment, or touches standard input and output.
 * A command is imported when it is chosen, so that an MTA that pipes each message through `sealdir seal`
 * does not load the server every time. Exit codes are those of sysexits.h; `check` has some of its own.
 */
import { once } from 'node:events';
import { fstatSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CommandError, EXIT } from './commands/errors.ts';
import type { Settings } from './config/settings.ts';
import { visible } from './core/visible.ts';

const USAGE = `usage:
  sealdir serve [-c FILE]                                    LMTP server
  sealdir seal  [-c FILE] (-r RECIPIENT | -k KEYFILE)        message on stdin -> sealed message on stdout
  sealdir open  [-k SECRETKEY] [--passphrase-file F] [FILE]  sealed message -> the original on stdout
  sealdir lookup [-c FILE] ADDRESS                           who gets its mail, and with which keys
  sealdir check [-c FILE]                                    look at configuration, keys, permissions, MTA
  sealdir key log [-c FILE] [--json] [ADDRESS]               what became of keys, as it was logged
  sealdir key log [-c FILE] --verify [--head HASH]           whether that log is whole and was never edited
  sealdir --version
Without -c: /etc/sealdir/sealdir.toml, or where there is none a demo under ./var.
`;

interface Given {
  readonly options: Readonly<
    Partial<Record<'config' | 'recipient' | 'key' | 'passphrase-file' | 'head', string>> &
      Partial<Record<'json' | 'verify', boolean>>
  >;
  readonly operands: readonly string[];
}

interface Command {
  /** Options it uses; any other is refused, since somebody meant something by it. */
  readonly takes: readonly string[];
  readonly maxOperands: number;
  run(given: Given): Promise<number>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { takes: ['config'], maxOperands: 0, run: serve },
  seal: { takes: ['config', 'recipient', 'key'], maxOperands: 0, run: seal },
  open: { takes: ['key', 'passphrase-file'], maxOperands: 1, run: open },
  lookup: { takes: ['config'], maxOperands: 1, run: lookup },
  check: { takes: ['config'], maxOperands: 0, run: check },
  key: { takes: ['config', 'json', 'verify', 'head'], maxOperands: 2, run: key },
};

async function main(argv: string[]): Promise<number> {
  const [name = '', ...rest] = argv;
  if (['--help', '-h', 'help'].includes(name)) return print(USAGE);
  if (name === '--version') return print(`sealdir ${version()}\n`);
  const { options, operands } = given(rest);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new CommandError('usage', ...USAGE.trimEnd().split('\n'));
  const stray = Object.keys(options).find((option) => !command.takes.includes(option));
  if (stray !== undefined) throw new CommandError('usage', `${name} takes no --${stray}`);
  const extra = operands[command.maxOperands];
  if (extra !== undefined)
    throw new CommandError('usage', `${name}: what is "${extra}"? A configuration goes after -c`);
  return command.run({ options, operands });
}

/** Throws a usage error for an option that does not exist, has no value, or is there twice. */
function given(args: string[]): Given {
  try {
    const { values, positionals, tokens } = parseArgs({
      args,
      allowPositionals: true,
      tokens: true,
      options: {
        config: { type: 'string', short: 'c' },
        recipient: { type: 'string', short: 'r' },
        key: { type: 'string', short: 'k' },
        'passphrase-file': { type: 'string' },
        json: { type: 'boolean' },
        verify: { type: 'boolean' },
        head: { type: 'string' },
      },
    });
    const names = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
    const twice = names.find((name, n) => names.indexOf(name) !== n);
    if (twice !== undefined) throw new CommandError('usage', `--${twice} is given twice`);
    return { options: values, operands: positionals };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError('usage', error.message.replaceAll(/([.?])\n/g, '$1 '));
  }
}

async function serve({ options }: Given): Promise<number> {
  const { default: cluster } = await import('node:cluster');
  const { serveAsWorker, serveInForeground } = await import('./foreground.ts');
  if (cluster.isWorker) return serveAsWorker();
  const { settings, file } = await settingsOf(options.config);
  const { chooseSettings } = await import('./commands/settings.ts');
  const load = async () => (await chooseSettings(options.config, hostname())).loaded;
  return serveInForeground({ settings, file, load, inherited: inheritedSockets(), print });
}

async function seal({ options }: Given): Promise<number> {
  const { settings } = await settingsOf(options.config);
  const commands = await import('./commands/seal.ts');
  const { realWorld } = await import('./edge/world.ts');
  const world = realWorld(settings.hostname);
  const { recipient, key: keyFile } = options;
  await commands.seal(standardInput(), process.stdout, { settings, world, recipient, keyFile });
  return 0;
}

async function open({ options, operands: [file] }: Given): Promise<number> {
  const { openMessage } = await import('./commands/open.ts');
  const { openInput } = await import('./commands/inputfile.ts');
  const { key: keyFile, 'passphrase-file': passphraseFile } = options;
  const message = file === undefined ? standardInput() : await openInput(file, 'message');
  for (const piece of await openMessage({ message, keyFile, passphraseFile }))
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

async function check({ options }: Given): Promise<number> {
  const { settings, file } = await settingsOf(options.config);
  const { checkReport } = await import('./commands/check.ts');
  const { text, code } = await checkReport({ settings, file, now: new Date() });
  print(text);
  return code;
}

async function key({ options, operands: [what, address] }: Given): Promise<number> {
  if (what !== 'log') throw new CommandError('usage', 'key log is the only one: sealdir key log');
  const { settings } = await settingsOf(options.config);
  const { keyLog } = await import('./commands/key/log.ts');
  const form = options.json ? 'json' : 'text';
  const verifies = options.verify ? 'verify' : 'print';
  return keyLog({ settings, address, form, verifies, head: options.head, print });
}

/** Reads the settings of `-c FILE`, or those that hold without one. */
async function settingsOf(
  config: string | undefined,
): Promise<{ readonly settings: Settings; readonly file: string | undefined }> {
  const { chooseSettings } = await import('./commands/settings.ts');
  const { loaded, file } = await chooseSettings(config, hostname());
  if (loaded.ok) return { settings: loaded.settings, file };
  const { formatError } = await import('./config/load.ts');
  throw new CommandError('config', ...loaded.errors.map(formatError));
}

function version(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
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
  (error: unknown) => {
    const { kind, lines } =
      error instanceof CommandError
        ? error
        : { kind: 'software' as const, lines: [error instanceof Error ? error.message : String(error)] };
    // an MTA puts this into its log, or into a bounce
    process.stderr.write(`sealdir: ${lines.map(visible).join('\n')}\n`);
    exitWhenWritten(EXIT[kind]);
  },
);

/** A pipe may not have taken everything yet; exiting now would cut a message short. */
function exitWhenWritten(code: number): void {
  process.stdout.write('', () => process.exit(code));
}
