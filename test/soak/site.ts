// The site of the soak: recipients with keys that work, that do not work, and that change; mailboxes on a
// small disk; and a server of two processes whose log goes to a file.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from '../support/child.ts';
import { type FreshKey, freshKey } from '../support/freshkey.ts';
import { needs } from '../support/peers.ts';
import { type Running, run, start } from '../support/process.ts';
import { makeSite, SMALL_DISK, tomlFor } from '../support/sealdir.ts';

const DAY_MS = 86_400_000;
export const MAX_MESSAGE_BYTES = 1024 * 1024;
export const MAX_RECIPIENTS = 6;

export interface SoakSite {
  readonly directory: string;
  readonly logFile: string;
  readonly socketPath: string;
  readonly server: Running;
  /** Base URL of /metrics. */
  readonly metrics: string;
  /** The recipients whose key file is good and never changes, by address. */
  readonly good: ReadonlyMap<string, FreshKey>;
  /** The recipient whose key changes: to one of these two, or to none that works. */
  readonly changing: { readonly address: string; readonly keys: readonly [FreshKey, FreshKey] };
  /** Mailboxes on a disk of 4 MiB, and its path. Undefined if we may not mount one. */
  readonly small: { readonly addresses: readonly string[]; readonly path: string } | undefined;
  readonly unusable: readonly string[];
  /** Replaces the key file of the changing recipient, or removes it. */
  putKey(bytes: Buffer | undefined, how: 'at once' | 'in place'): Promise<void>;
  mailbox(address: string): string;
  /** Stops the server. Resolves to its exit code. */
  stop(): Promise<number>;
  remove(): Promise<void>;
}

export async function openSoakSite(): Promise<SoakSite> {
  const kinds = ['v4', 'v4-aead', 'v6'] as const;
  const smallAddresses = ['small0@full.example', 'small1@full.example'];
  const addresses = [...Array.from({ length: 9 }, (_, n) => `user${n}@example.com`), ...smallAddresses];
  const good = new Map<string, FreshKey>();
  for (const [n, address] of addresses.entries())
    good.set(address, await freshKey(address, { kind: kinds[n % 3] ?? 'v4', subkeys: 1 + (n % 2) }));
  const turning = 'turning@example.com';
  const changing = { address: turning, keys: [await freshKey(turning), await freshKey(turning)] as const };
  const past = new Date(Date.now() - DAY_MS);
  const expired = await freshKey('expired@example.com', { createdAt: past, lifetimeSeconds: 3600 });
  const unusable = {
    'expired@example.com': expired.certificate,
    'broken@example.com': 'not a key',
    'secret@example.com': expired.secretKey,
  };
  const directory = await makeSite({
    ...Object.fromEntries([...good].map(([address, key]) => [address, key.certificate])),
    ...unusable,
  });
  const smallDisk = await mountSmallDisk(join(directory, 'mail/full.example'));
  const remove = async () => {
    if (smallDisk !== undefined) await run('umount', ['-l', smallDisk]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const { server, logFile, metrics } = await startLogged(directory);
    const keyFile = join(directory, 'keys', `${turning}.asc`);
    return {
      ...{ directory, logFile, metrics, server, good, changing, remove },
      socketPath: join(directory, 'lmtp.sock'),
      small: smallDisk === undefined ? undefined : { addresses: smallAddresses, path: smallDisk },
      unusable: Object.keys(unusable),
      async putKey(bytes, how) {
        if (bytes === undefined) return rm(keyFile, { force: true });
        if (how === 'in place') return writeFile(keyFile, bytes);
        await writeFile(`${keyFile}.new`, bytes);
        await rename(`${keyFile}.new`, keyFile);
      },
      mailbox: (address) => join(directory, 'mail', ...address.split('@').reverse()),
      stop: () => server.stop(),
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function mountSmallDisk(path: string): Promise<string | undefined> {
  if (needs('root', 'mount', 'umount').skip !== false) return undefined;
  await mkdir(path);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'sealdir-soak', path]);
  if (mounted.code !== 0) return undefined;
  // Nothing stays mounted, however this process ends.
  process.once('exit', () => spawnSync('umount', ['-l', path]));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  return path;
}

/** Starts the server with its log in a file: ten minutes of it are too much to hold in memory. */
async function startLogged(directory: string) {
  const config = join(directory, 'sealdir.toml');
  const logFile = join(directory, 'log');
  const lmtp = `max_message_size = ${MAX_MESSAGE_BYTES}\nmax_header_size = "64KiB"\nmax_recipients = ${MAX_RECIPIENTS}`;
  await writeFile(
    config,
    tomlFor(directory, { toml: { processes: 2, duplicates: '1h', lmtp, store: SMALL_DISK } }),
  );
  await writeFile(logFile, '');
  const listening = () => /"metrics":"([^"]+)","config"/.exec(readFileSync(logFile, 'utf8'))?.[1];
  const command = `exec "${process.execPath}" "${CLI}" serve -c "${config}" 2>>"${logFile}"`;
  const server = await start('sh', ['-c', command], { ready: () => listening() !== undefined });
  return { server, logFile, metrics: `http://${listening()}` };
}
