/**
 * `sealdir key`: what there is to do with keys. One file for each subcommand, imported when it is chosen;
 * here is the table of them and of their options.
 */
import { type Arguments, type OptionTable, readArguments, refuseStray } from '../arguments.ts';
import { CommandError } from '../errors.ts';
import { KEY_USAGE } from '../usage.ts';
import type { KeyArguments, Run, Streams } from './subcommand.ts';

interface Subcommand {
  readonly takes: readonly string[];
  readonly maxOperands: number;
  load(): Promise<{ readonly run: Run }>;
}

const OPTIONS: OptionTable = {
  config: { type: 'string', short: 'c' },
  json: { type: 'boolean' },
  as: { type: 'string' },
  yes: { type: 'boolean' },
  name: { type: 'string' },
  output: { type: 'string' },
  expires: { type: 'string' },
  'passphrase-file': { type: 'string' },
  'passphrase-fd': { type: 'string' },
  'no-passphrase': { type: 'boolean' },
  wkd: { type: 'string' },
  direct: { type: 'boolean' },
  verify: { type: 'boolean' },
  head: { type: 'string' },
};

const ANY = Number.POSITIVE_INFINITY;
const OF_GENERATE = ['name', 'output', 'expires', 'passphrase-file', 'passphrase-fd', 'no-passphrase'];

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  list: { takes: ['config', 'json'], maxOperands: ANY, load: () => import('./list.ts') },
  show: { takes: ['config'], maxOperands: 1, load: () => import('./show.ts') },
  add: { takes: ['config', 'as', 'yes'], maxOperands: ANY, load: () => import('./add.ts') },
  remove: { takes: ['config', 'yes'], maxOperands: 1, load: () => import('./remove.ts') },
  generate: { takes: OF_GENERATE, maxOperands: 1, load: () => import('./generate.ts') },
  log: { takes: ['config', 'json', 'verify', 'head'], maxOperands: 1, load: () => import('./log.ts') },
  export: { takes: ['config', 'wkd', 'direct'], maxOperands: ANY, load: () => import('./export.ts') },
};

export async function keyCommand([name = '', ...rest]: readonly string[], streams: Streams): Promise<number> {
  if (['--help', '-h', 'help'].includes(name)) {
    streams.stdout.write(KEY_USAGE);
    return 0;
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) throw new CommandError('usage', ...KEY_USAGE.trimEnd().split('\n'));
  const given = readArguments([...rest], OPTIONS);
  refuseStray(`key ${name}`, given, subcommand.takes);
  const extra = given.operands[subcommand.maxOperands];
  if (extra !== undefined) throw new CommandError('usage', `key ${name}: what is "${extra}"?`);
  const { run } = await subcommand.load();
  return run(keyArguments(given), streams);
}

function keyArguments({ options, operands }: Arguments): KeyArguments {
  return {
    operands,
    text(option) {
      const value = options[option];
      return typeof value === 'string' ? value : undefined;
    },
    has: (option) => options[option] === true,
  };
}
