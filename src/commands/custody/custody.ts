/**
 * `sealdir enroll`, `slots` and `recover`: a secret key on a server, under passwords and codes of its owner.
 * Here is the table of the commands and of their options.
 */
import { type OptionTable, readArguments } from '../arguments.ts';
import type { Streams } from '../key/subcommand.ts';
import { runSubcommand, runWith, type Subcommand } from '../subcommands.ts';
import { SLOTS_USAGE } from '../usage.ts';

const OPTIONS: OptionTable = {
  config: { type: 'string', short: 'c' },
  file: { type: 'string' },
  json: { type: 'boolean' },
  dovecot: { type: 'boolean' },
  yes: { type: 'boolean' },
  force: { type: 'boolean' },
  device: { type: 'string' },
  password: { type: 'boolean' },
  recovery: { type: 'boolean' },
  label: { type: 'string' },
  slot: { type: 'string' },
  'password-file': { type: 'string' },
  'password-fd': { type: 'string' },
  'new-password-file': { type: 'string' },
  'new-password-fd': { type: 'string' },
  'print-codes': { type: 'boolean' },
};

const OF_ENROLL: OptionTable = {
  key: { type: 'string', short: 'k' },
  'passphrase-file': { type: 'string' },
  'passphrase-fd': { type: 'string' },
  name: { type: 'string' },
  expires: { type: 'string' },
  device: { type: 'string', multiple: true },
  password: { type: 'boolean' },
  'new-password-file': { type: 'string' },
  'new-password-fd': { type: 'string' },
  into: { type: 'string' },
  'print-codes': { type: 'boolean' },
  yes: { type: 'boolean' },
};

const OF_RECOVER: OptionTable = {
  'password-file': { type: 'string' },
  'password-fd': { type: 'string' },
  'no-passphrase': { type: 'boolean' },
  into: { type: 'string' },
};

const ANY = Number.POSITIVE_INFINITY;
const WHICH = ['config', 'file'];
const PRESENT = ['password-file', 'password-fd'];
const NEW = ['new-password-file', 'new-password-fd', 'print-codes'];
const OF_ADD = [...WHICH, ...PRESENT, ...NEW, 'device', 'password', 'recovery', 'label'];

const SLOTS: Readonly<Record<string, Subcommand>> = {
  list: { takes: [...WHICH, 'json', 'dovecot'], maxOperands: ANY, load: () => import('./list.ts') },
  add: { takes: OF_ADD, maxOperands: 1, load: () => import('./add.ts') },
  change: {
    takes: [...WHICH, ...PRESENT, ...NEW, 'slot'],
    maxOperands: 1,
    load: () => import('./change.ts'),
  },
  revoke: { takes: [...WHICH, 'force'], maxOperands: ANY, load: () => import('./revoke.ts') },
  import: { takes: ['config', 'yes'], maxOperands: 1, load: () => import('./import.ts') },
  export: { takes: ['config'], maxOperands: 1, load: () => import('./export.ts') },
};

export function slotsCommand(args: readonly string[], streams: Streams): Promise<number> {
  return runSubcommand(
    { name: 'slots', usage: SLOTS_USAGE, options: OPTIONS, subcommands: SLOTS },
    args,
    streams,
  );
}

export function enrollCommand(args: readonly string[], streams: Streams): Promise<number> {
  const command = { takes: Object.keys(OF_ENROLL), maxOperands: 1, load: () => import('./enroll.ts') };
  return runWith(command, 'enroll', readArguments([...args], OF_ENROLL), streams);
}

export function recoverCommand(args: readonly string[], streams: Streams): Promise<number> {
  const command = { takes: Object.keys(OF_RECOVER), maxOperands: 1, load: () => import('./recover.ts') };
  return runWith(command, 'recover', readArguments([...args], OF_RECOVER), streams);
}
