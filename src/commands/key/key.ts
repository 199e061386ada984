/**
 * `sealdir key`: what there is to do with keys. One file for each subcommand, imported when it is chosen;
 * here is the table of them and of their options.
 */
import type { OptionTable } from '../arguments.ts';
import { runSubcommand, type Subcommand } from '../subcommands.ts';
import { KEY_USAGE } from '../usage.ts';
import type { Streams } from './subcommand.ts';

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

export function keyCommand(args: readonly string[], streams: Streams): Promise<number> {
  const group = { name: 'key', usage: KEY_USAGE, options: OPTIONS, subcommands: SUBCOMMANDS };
  return runSubcommand(group, args, streams);
}
