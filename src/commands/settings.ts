/**
 * Chooses the settings a command runs with: the file given with -c, else /etc/sealdir/sealdir.toml if it
 * exists, else the demo, which touches nothing outside ./var.
 */
import { existsSync, lstatSync } from 'node:fs';
import { formatError, type Loaded, loadSettings, parseSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { DEMO_SECRET } from './demoplace.ts';
import { CommandError } from './errors.ts';
import { whyNoFile } from './inputfile.ts';

const USUAL_FILE = '/etc/sealdir/sealdir.toml';

const DEMO = `
hostname = "localhost"
processes = 1
[lmtp]
listen = ["127.0.0.1:2424", "var/lmtp.sock"]
[store]
maildir = "var/mail/{domain}/{local}"
duplicates = "off" # the example may be sent twice
state = "var/state"
[keys]
directory = "var/keys"
state = "var/keystate"
[gateway]
directory = "var/gateway"
`;

export interface Chosen {
  readonly loaded: Loaded;
  /** The file they come from, or undefined for the demo. */
  readonly file: string | undefined;
}

export async function chooseSettings(file: string | undefined, hostname: string): Promise<Chosen> {
  const chosen = file ?? (existsSync(USUAL_FILE) ? USUAL_FILE : undefined);
  const why = chosen === undefined ? undefined : await whyNoFile(chosen, 'configuration file');
  if (chosen !== undefined && why !== undefined) {
    const error = { file: chosen === '' ? '""' : chosen, line: 0, message: why };
    return { loaded: { ok: false, errors: [error] }, file: chosen };
  }
  if (chosen !== undefined) return { loaded: await loadSettings(chosen, { hostname }), file: chosen };
  return { loaded: parseSettings(DEMO, 'built-in demo', { hostname }), file: undefined };
}

/** What a command runs with. */
export interface Usable {
  readonly settings: Settings;
  readonly file: string | undefined;
}

/** Returns the settings of `-c FILE`, or those that hold without one. Throws CommandError. */
export async function settingsOf(config: string | undefined, hostname: string): Promise<Usable> {
  return usableOf(await chooseSettings(config, hostname));
}

/**
 * Does the same for mail, which waits where nothing is configured: what is below the working directory of a
 * mail server is not its store. The demo counts for whoever has run it in this directory.
 */
export async function mailSettingsOf(config: string | undefined, hostname: string): Promise<Usable> {
  const chosen = await chooseSettings(config, hostname);
  if (chosen.file !== undefined || isDemoOurs()) return usableOf(chosen);
  const reason = `there is no ${USUAL_FILE}: name the configuration with -c FILE`;
  throw new CommandError('tempFail', 'the mail store is not set up').because(reason);
}

function isDemoOurs(): boolean {
  return lstatSync(DEMO_SECRET, { throwIfNoEntry: false })?.uid === process.geteuid?.();
}

/** Throws CommandError with a line for each error. */
export function usableOf({ loaded, file }: Chosen): Usable {
  if (loaded.ok) return { settings: loaded.settings, file };
  throw new CommandError('config', ...loaded.errors.map(formatError));
}
