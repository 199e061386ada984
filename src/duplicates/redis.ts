/**
 * A connection to Redis, or to another server that speaks the same: the only file that knows its package.
 * It is never made anew by itself, and holds nothing back while it is lost: whoever uses it decides that.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type * as Redis from '@redis/client';
import { within } from '../core/deadline.ts';
import { optionalPackage } from '../core/optionalpackage.ts';
import type { RedisAddress } from '../core/redisaddress.ts';
import { readSecretText } from './secretfile.ts';

export interface RedisOptions {
  readonly address: RedisAddress;
  /** '' if none is asked for. */
  readonly passwordFile: string;
  /** '' for the authorities that Node knows. */
  readonly caFile: string;
}

export interface RedisLink {
  /** Commands of one turn of the event loop leave together. Rejects with what the server has against it. */
  send(command: readonly string[]): Promise<unknown>;
  /** Resolves to the reason when it is lost. */
  readonly lost: Promise<unknown>;
  /** Rejects everything that waits for its reply. */
  close(): void;
}

const NAME = '@redis/client';
/** Against a server that takes all and answers nothing, though a deadline ends that first. */
const MOST_WAITING = 100_000;

/** Throws a sentence if the package is missing. Does not load it: that takes 0.2 s of CPU and 17 MB. */
export async function expectRedis(): Promise<void> {
  await optionalPackage(NAME, '6', async () => createRequire(import.meta.url).resolve(NAME));
}

/** Throws a sentence if the package is missing. */
export function loadRedis(): Promise<typeof Redis> {
  return optionalPackage(NAME, '6', () => import('@redis/client'));
}

/**
 * Connects, within `waitMs`; a server that takes a connection may still answer nothing. Throws, with a
 * sentence that holds no password, if that fails or the package is missing.
 */
export async function openRedis(options: RedisOptions, waitMs: number): Promise<RedisLink> {
  const { address, passwordFile, caFile } = options;
  const { createClient } = await loadRedis();
  const password = passwordFile === '' ? undefined : readSecretText(passwordFile);
  const ca = caFile === '' ? undefined : await readFile(caFile, 'utf8');
  const common = { connectTimeout: waitMs, reconnectStrategy: false as const };
  const { at, isTls, user, db } = address;
  const tls = { tls: true as const, rejectUnauthorized: true, ...(ca !== undefined && { ca }) };
  const tcp = at.type === 'tcp' ? { host: at.host, port: at.port, noDelay: true } : undefined;
  const client = createClient({
    socket:
      at.type === 'unix'
        ? { ...common, tls: false, path: at.path }
        : { ...common, ...tcp, ...(isTls ? tls : {}) },
    ...(user !== '' && { username: user }),
    ...(password !== undefined && { password }),
    database: db,
    RESP: 2,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MOST_WAITING,
    disableClientInfo: true, // a command more that a user would have to be allowed
    maintNotifications: 'disabled',
  });
  const lost = new Promise<unknown>((resolve) => {
    client.on('error', resolve); // whoever waits for a reply is told as well
    client.once('end', () => resolve(new Error('the connection was closed')));
  });
  const close = () => {
    if (client.isOpen) client.destroy();
  };
  try {
    if ((await within(client.connect(), waitMs)) === 'late') throw new Error('no connection in time');
  } catch (error) {
    close();
    throw error;
  }
  return { send: (command) => client.sendCommand(command), lost, close };
}
