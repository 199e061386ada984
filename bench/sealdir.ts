// Runs Sealdir as an operator does: `sealdir serve -c FILE` in a process of its own, with its log in a file.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from '../test/support/child.ts';
import { start } from '../test/support/process.ts';
import { type ServerOptions, tomlFor } from '../test/support/sealdir.ts';
import type { Bed } from './bed.ts';
import { DOMAIN } from './recipients.ts';
import type { Server } from './server.ts';

// ext4 allows 65,000 names for one file
const NAMES_PER_FILE = 30_000;

export interface Sealdir extends Server {
  /** The configuration file. */
  readonly config: string;
  /** Where /metrics is: host and port. */
  readonly metrics: string;
  /** How many recipients were answered so far, by its log. */
  answered(): number;
  /** Returns the Maildir of an address. */
  maildir(address: string): string;
  addRecipients(addresses: readonly string[], certificate: string): Promise<void>;
  /** Stores the mail of a domain in an empty directory elsewhere. */
  addDomain(domain: string, directory: string): Promise<void>;
}

export interface SealdirOptions {
  readonly toml?: ServerOptions['toml'];
  /** Keeps its recipients in an SQLite file, with one key for all, instead of a key file for each. */
  readonly inSqlite?: boolean;
  /** A directory on another file system than that of the bed. */
  readonly directory?: string;
  /** The program, when it is not the one of this repository. */
  readonly cli?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startSealdir(bed: Bed, options: SealdirOptions = {}): Promise<Sealdir> {
  const directory = options.directory ?? (await bed.directory('sealdir'));
  const config = join(directory, 'sealdir.toml');
  const log = join(directory, 'log');
  for (const name of ['keys', 'mail', 'certificates']) await mkdir(join(directory, name));
  const users = options.inSqlite ? await makeUsers(directory) : undefined;
  const recipients = users === undefined ? {} : { recipients: users.toml };
  await writeFile(config, tomlFor(directory, { toml: { ...options.toml, ...recipients } }));
  const shell = [
    '-c',
    'exec "$0" "$@" >>log 2>&1',
    process.execPath,
    options.cli ?? CLI,
    'serve',
    '-c',
    config,
  ];
  const output = () => readFileSync(log, { encoding: 'utf8', flag: 'a+' });
  const child = await start('sh', shell, {
    cwd: directory,
    env: { ...options.env },
    ready: () => output().includes('"msg":"listening"'),
    log: output,
  });
  const stop = async () => void (await child.stop());
  bed.atEnd(stop);
  const [, port] = /"127\.0\.0\.1:(\d+)"/.exec(/"lmtp":\[[^\]]*\]/.exec(output())?.[0] ?? '') ?? [];
  return {
    name: 'Sealdir',
    port: Number(port),
    pid: child.pid,
    config,
    answered: lineCounter(log, '"verdict"'),
    metrics: /"metrics":"([^"]+)"/.exec(output())?.[1] ?? '',
    stop,
    maildir(address) {
      return join(directory, 'mail', ...address.split('@').reverse());
    },
    addRecipients: async (addresses, certificate) => {
      if (users === undefined) return addKeys(directory, addresses, certificate);
      await users.add(addresses);
      await addKeys(directory, [`@${DOMAIN}`], certificate);
    },
    addDomain: (domain, elsewhere) => symlink(elsewhere, join(directory, 'mail', domain)),
  };
}

/** Returns what counts the lines of a growing file that hold `wanted`, and reads each byte once. */
function lineCounter(file: string, wanted: string): () => number {
  const buffer = Buffer.alloc(1 << 20);
  let position = 0;
  let rest = '';
  let count = 0;
  return () => {
    const fd = openSync(file, 'r');
    try {
      for (;;) {
        const length = readSync(fd, buffer, 0, buffer.length, position);
        if (length === 0) return count;
        position += length;
        const lines = (rest + buffer.toString('latin1', 0, length)).split('\n');
        rest = lines.pop() ?? '';
        count += lines.filter((line) => line.includes(wanted)).length;
      }
    } finally {
      closeSync(fd);
    }
  };
}

/** Makes a database of users, and the settings to ask it. */
async function makeUsers(directory: string) {
  const { default: Sqlite } = await import('better-sqlite3');
  const file = new Sqlite(join(directory, 'users.sqlite'));
  file.exec('CREATE TABLE users (address TEXT PRIMARY KEY) WITHOUT ROWID');
  const insert = file.prepare('INSERT INTO users VALUES (?)');
  const add = file.transaction((addresses: readonly string[]) => {
    for (const address of addresses) insert.run(address);
  });
  return {
    toml: `source = "sql"
sql.url = "sqlite:${file.name}"
sql.query = "SELECT address AS account FROM users WHERE address = :address"`,
    add: async (addresses: readonly string[]) => add(addresses),
  };
}

/**
 * Puts one key file there under many names. Each call makes a new file: one more name for an old one would
 * make its other names look changed.
 */
async function addKeys(directory: string, addresses: readonly string[], certificate: string): Promise<void> {
  for (let from = 0; from < addresses.length; from += NAMES_PER_FILE) {
    const names = addresses.slice(from, from + NAMES_PER_FILE);
    const file = join(directory, 'certificates', names[0] ?? '');
    await writeFile(file, certificate, { flag: 'wx' });
    for (const address of names) await link(file, join(directory, 'keys', `${address}.asc`));
  }
}
