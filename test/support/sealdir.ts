// A real Sealdir for a test, with a directory of its own, a Unix socket and a TCP port, and real keys. Its
// log lines are kept.

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';
import { makeTraversable } from './traversable.ts';

export interface TestServer {
  readonly directory: string;
  readonly socketPath: string;
  readonly port: number;
  /** Base URL of /metrics. */
  readonly metrics: string;
  /** Every log line so far, as written. */
  readonly log: readonly string[];
  outcomes(): OutcomeLine[];
  /** Puts a key file into the key directory. */
  addKey(file: string, bytes: Uint8Array | string): Promise<void>;
  /** Resolves to the paths of the files in tmp/, new/ or cur/ of an account. */
  files(address: string, directory: 'tmp' | 'new' | 'cur'): Promise<string[]>;
  /** Resolves to the only message in new/, or to the one that an outcome line names. */
  stored(address: string, file?: string): Promise<Buffer>;
  /** Stops gracefully. The directory stays until `stop`. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

/** For stores on file systems of a few megabytes. */
export const SMALL_DISK = 'min_free_space = 0';

export interface ServerOptions {
  /** Where the site's directory is; the directory for temporary files if left out. */
  readonly parent?: string;
  /** Maps addresses to certificates. */
  readonly keys?: Readonly<Record<string, Uint8Array | string>>;
  /** Maps addresses to what their key files are links to. */
  readonly keyLinks?: Readonly<Record<string, string>>;
  readonly hostname?: string;
  /** The TCP port; any free one if left out. */
  readonly tcpPort?: number;
  /** More addresses to listen on. */
  readonly listen?: readonly string[];
  /** Lines of TOML by section, in addition to what the harness needs. */
  readonly toml?: {
    readonly processes?: number;
    /** Value of `store.duplicates`; off if left out, since tests send the same message more than once. */
    readonly duplicates?: string;
    readonly lmtp?: string;
    readonly store?: string;
    /** The directory of another server, whose store this one has. */
    readonly storeIn?: string;
    /** `DIR` stands for the server's directory, in `rest` too, which begins in the section [keys]. */
    readonly recipients?: string;
    readonly rest?: string;
  };
}

/** Returns the configuration of a server that lives in `directory`. The kernel chooses its ports. */
export function tomlFor(directory: string, options: ServerOptions = {}): string {
  const { toml, tcpPort = 0, listen = [], hostname = 'mx.example.com' } = options;
  return `hostname = "${hostname}"
processes = ${toml?.processes ?? 1}
[lmtp]
listen = ${JSON.stringify([join(directory, 'lmtp.sock'), ...listen, `127.0.0.1:${tcpPort}`])}
socket_mode = "0666"
${toml?.lmtp ?? ''}
[store]
maildir = ${JSON.stringify(join(toml?.storeIn ?? directory, 'mail/{domain}/{local}'))}
duplicates = "${toml?.duplicates ?? 'off'}"
state = ${JSON.stringify(join(directory, 'state'))}
${toml?.store ?? ''}
[recipients]
${toml?.recipients?.replaceAll('DIR', directory) ?? ''}
[metrics]
listen = "127.0.0.1:0"
[keys]
directory = ${JSON.stringify(join(directory, 'keys'))}
state = ${JSON.stringify(join(directory, 'keystate'))}
${toml?.rest?.replaceAll('DIR', directory) ?? ''}
`;
}

/** Makes a fresh directory with `keys/` and `mail/` that the users of real peers can reach. */
export async function makeSite(
  keys: ServerOptions['keys'] = {},
  parent = tmpdir(),
  links: ServerOptions['keyLinks'] = {},
): Promise<string> {
  const directory = await mkdtemp(join(parent, 'sealdir-'));
  await mkdir(join(directory, 'keys'));
  await mkdir(join(directory, 'mail'));
  await makeTraversable(directory);
  for (const [address, bytes] of Object.entries(keys))
    await writeFile(join(directory, 'keys', `${address}.asc`), bytes);
  for (const [address, target] of Object.entries(links))
    await symlink(target, join(directory, 'keys', `${address}.asc`));
  return directory;
}

/** Loads the server only now: most tests start one as a process, and have no use for it in their own. */
export async function startSealdir(options: ServerOptions = {}): Promise<TestServer> {
  const { parseSettings } = await import('../../src/config/load.ts');
  const { createLog } = await import('../../src/edge/log.ts');
  const { serve } = await import('../../src/server/serve.ts');
  const directory = await makeSite(options.keys);
  const loaded = parseSettings(tomlFor(directory, options), 'test.toml', { hostname: 'localhost' });
  if (!loaded.ok) throw new Error(loaded.errors.map((error) => error.message).join('\n'));
  const log: string[] = [];
  const running = await serve(
    loaded.settings,
    createLog('debug', {}, { write: (line) => log.push(line) }),
    [],
  );
  const [socketPath = ''] = running.lmtp;
  const tcp = running.lmtp.at(-1) ?? '';
  const mailbox = (address: string) => join(directory, 'mail', ...address.split('@').reverse());
  const outcomes = () =>
    log.map((line) => JSON.parse(line) as OutcomeLine).filter((line) => line.verdict !== undefined);
  const files = async (address: string, name: string) =>
    (await readdir(join(mailbox(address), name)).catch(() => [])).map((file) =>
      join(mailbox(address), name, file),
    );
  return {
    directory,
    socketPath,
    port: Number(tcp.split(':').at(-1)),
    metrics: `http://${running.metrics}`,
    log,
    outcomes,
    files,
    addKey: (file, bytes) => writeFile(join(directory, 'keys', file), bytes),
    async stored(address, file) {
      const all = await files(address, 'new');
      const wanted = file === undefined ? all : all.filter((path) => path.endsWith(file));
      if (wanted.length !== 1 || wanted[0] === undefined)
        throw new Error(`${wanted.length} messages, not one`);
      return readFile(wanted[0]);
    },
    drain: () => running.stop(),
    async stop() {
      await running.stop(0);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
