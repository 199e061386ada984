/**
 * Chooses the settings a command runs with: the file given with -c, else /etc/sealdir/sealdir.toml if it
 * exists, else the demo, which touches nothing outside ./var.
 */
import { existsSync } from 'node:fs';
import { type Loaded, loadSettings, parseSettings } from '../config/load.ts';
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
[keys]
directory = "var/keys"
state = "var/keystate"
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
