// A private Redis of Debian on a Unix socket, or on a port of 127.0.0.1 with TLS; nothing of it is on a disk.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort } from './port.ts';
import { run, start } from './process.ts';
import { makeTraversable } from './traversable.ts';

export const NEEDED = ['redis-server', 'redis-cli'] as const;

export interface RedisOptions {
  /** Lines of its configuration, such as `requirepass x`. */
  readonly config?: readonly string[];
  readonly tls?: { readonly pem: string; readonly key: string; readonly ca: string };
}

export interface Redis {
  readonly directory: string;
  readonly path: string;
  /** As store.state has it. */
  readonly url: string;
  /** Of TLS, with `tls`. */
  readonly tlsPort: number;
  readonly pid: number;
  /** Runs redis-cli; returns what it prints, without the last line end. */
  cli(...args: readonly string[]): Promise<string>;
  /** All keys, without the one that tries commands. */
  keys(): Promise<string[]>;
  kill(): Promise<void>;
  /** Begins again, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedis({ config = [], tls }: RedisOptions = {}): Promise<Redis> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-redis-'));
  await makeTraversable(directory);
  const path = join(directory, 'redis.sock');
  const tlsPort = tls === undefined ? 0 : await freePort();
  const file = join(directory, 'redis.conf');
  const lines = [
    'port 0',
    `unixsocket ${path}`,
    'unixsocketperm 777',
    'save ""',
    'appendonly no',
    `dir ${directory}`,
    ...(tls === undefined
      ? []
      : [
          `tls-port ${tlsPort}`,
          'bind 127.0.0.1',
          `tls-cert-file ${tls.pem}`,
          `tls-key-file ${tls.key}`,
          `tls-ca-cert-file ${tls.ca}`,
          'tls-auth-clients no',
        ]),
    ...config,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const begin = () => start('redis-server', [file], { ready: () => accepts(path) });
  let running = await begin();
  const cli = async (...args: readonly string[]) => {
    const { stdout, stderr } = await run('redis-cli', ['-s', path, ...args]);
    if (stderr !== '') throw new Error(stderr);
    return stdout.toString('latin1').trimEnd();
  };
  return {
    directory,
    path,
    url: `unix:${path}`,
    tlsPort,
    get pid() {
      return running.pid;
    },
    cli,
    async keys() {
      const listed = (await cli('--scan')).split('\n');
      return listed.filter((key) => key !== '' && key !== 'sealdir:probe').sort();
    },
    async kill() {
      running.signal('SIGKILL');
      await running.stop();
    },
    async restart() {
      await rm(path, { force: true });
      running = await begin();
    },
    async stop() {
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Delayed {
  readonly url: string;
  /** Milliseconds by which what Redis says is late, from now on. */
  delayMs: number;
  /** How many packets came for it so far, as far as they can be told apart. */
  packets: number;
  stop(): Promise<void>;
}

/** Stands before a Redis, and lets it seem slow or far away. */
export async function delay(path: string): Promise<Delayed> {
  const sockets = new Set<Socket>();
  const delayed = { delayMs: 0, packets: 0 };
  const server = createServer((client) => {
    const redis = connect(path);
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    client.on('data', (bytes) => {
      delayed.packets++;
      redis.write(bytes);
    });
    redis.on('data', (bytes) => setTimeout(() => client.write(bytes), delayed.delayMs));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(delayed, {
    url: `redis://127.0.0.1:${port}/0`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
