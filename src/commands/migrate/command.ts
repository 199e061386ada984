/** The options of `sealdir migrate`. What somebody got wrong is said before anything is read. */
import { hostname } from 'node:os';
import { readValue, sizeOrOff } from '../../config/kinds.ts';
import type { Settings } from '../../config/settings.ts';
import { BadFolder, folderDirectory } from '../../core/foldername.ts';
import { realWorld } from '../../edge/world.ts';
import { dovecotPlaces } from '../../stored/dovecot.ts';
import { readArguments } from '../arguments.ts';
import { CommandError } from '../errors.ts';
import type { Streams } from '../key/subcommand.ts';
import { settingsOf } from '../settings.ts';
import { migrate } from './migrate.ts';

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  mailbox: { type: 'string', multiple: true },
  all: { type: 'boolean' },
  folder: { type: 'string', multiple: true },
  index: { type: 'string' },
  limit: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

type Options = Readonly<
  Partial<Record<'config' | 'index' | 'limit', string>> &
    Partial<Record<'mailbox' | 'folder', readonly string[]>> &
    Partial<Record<'all' | 'dry-run' | 'json', boolean>>
>;

/** Deliveries beside it take about a quarter longer then, on two slow cores (bench/migrate). */
const USUAL_LIMIT = '2MiB';

export async function migrateCommand(args: readonly string[], { stdout, stderr }: Streams): Promise<number> {
  const given = readArguments([...args], OPTIONS);
  const [extra] = given.operands;
  if (extra !== undefined)
    throw new CommandError('usage', `migrate: what is "${extra}"? An address goes after --mailbox`);
  const options = given.options as Options;
  const { mailbox: addresses, all } = options;
  if ((addresses === undefined) === (all !== true))
    throw new CommandError('usage', 'migrate: give --mailbox ADDRESS, or --all for every mailbox');
  const bytesPerSecond = limitOf(options.limit ?? USUAL_LIMIT);
  const { settings } = await settingsOf(options.config, hostname());
  await checkDovecot(options.index);
  return migrate({
    stdout,
    stderr,
    settings,
    world: realWorld(settings.hostname),
    addresses,
    only: options.folder?.map((name) => directoryOf(name, settings)),
    index: options.index,
    bytesPerSecond,
    isTrial: options['dry-run'] === true,
    form: options.json === true ? 'json' : 'text',
  });
}

/** Reads --limit, in bytes a second; 0: none. */
export function limitOf(text: string): number {
  const limit = readValue(sizeOrOff, text);
  if (limit.ok) return limit.value;
  throw new CommandError('usage', `--limit: "${text}" ${limit.problems[0]?.message}`);
}

function directoryOf(name: string, { folders }: Settings): string {
  try {
    return folderDirectory(name, folders.encoding);
  } catch (error) {
    if (error instanceof BadFolder) throw new CommandError('usage', `--folder: "${name}" ${error.message}`);
    throw error;
  }
}

/** A Dovecot of this machine may have its indexes elsewhere, or its UIDs, which would be lost. */
export async function checkDovecot(given: string | undefined): Promise<void> {
  const { control, index } = await dovecotPlaces();
  if (control !== undefined)
    throw new CommandError('config', `Dovecot keeps its UIDs in ${control}: they would be lost`);
  if (index !== undefined && given === undefined)
    throw new CommandError('usage', `Dovecot has its indexes elsewhere: give --index '${index}'`);
}
