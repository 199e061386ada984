/**
 * `sealdir bridge`: the engine of the gateway on the user's own machine. Mail programs there log in at
 * 127.0.0.1 with the password of the IMAP server, and see plain mail; the server gets what is sealed, over
 * TLS, and never the key, which is in a file or with gpg-agent.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Environment } from '../agent/agent.ts';
import { parseListener } from '../config/listener.ts';
import { isLoopback, type Listener } from '../core/listener.ts';
import { visible } from '../core/visible.ts';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { claimPaths, listenOn } from '../edge/sockets.ts';
import { realWorld } from '../edge/world.ts';
import { accountWith } from '../gateway/account.ts';
import { type Client, KEEPALIVE_MS, serveConnection } from '../gateway/connection.ts';
import type { Credentials } from '../gateway/login.ts';
import { newCaches } from '../gateway/mailbox.ts';
import { runUnlocked, type UnlockedParts } from '../gateway/unlocked.ts';
import { parseCertificates } from '../keys/certificates.ts';
import { certificatesOfSecret } from '../keys/transferable.ts';
import { readArguments } from './arguments.ts';
import { CommandError } from './errors.ts';
import { MOST_KEYS, readInput } from './inputfile.ts';
import { LastingOpener } from './lastingopener.ts';
import { openerOf } from './open.ts';

const OPTIONS = {
  key: { type: 'string', short: 'k' },
  'passphrase-file': { type: 'string' },
  agent: { type: 'boolean' },
  listen: { type: 'string' },
  ca: { type: 'string' },
} as const;

type Options = Readonly<
  Partial<Record<'key' | 'passphrase-file' | 'listen' | 'ca', string>> & { readonly agent?: boolean }
>;

const USUAL_LISTENER = '127.0.0.1:1143';
const IMAPS_PORT = 993;
/** Nobody else on the machine connects to a Unix socket. */
const SOCKET_MODE = 0o600;
const IDLE_MS = 31 * 60_000;
const CONNECT_MS = 30_000;
const MOST_MESSAGE_BYTES = 100 * 1024 * 1024;
const MOST_HEADER_BYTES = 2 * 1024 * 1024;

/** Serves until a signal. Resolves to the exit code. */
export async function bridgeCommand(args: readonly string[], environment: Environment): Promise<number> {
  const given = readArguments([...args], OPTIONS);
  const options = given.options as Options; // what OPTIONS says
  const server = serverOf(given.operands);
  const listener = listenerOf(options.listen ?? USUAL_LISTENER);
  const { key } = options;
  if (key === undefined)
    throw new CommandError(
      'usage',
      'bridge: which key? Give the secret one with -k, or a public one and --agent',
    );
  const stopped = new Promise((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  });
  await turnOffCoreDumps(); // one that cannot be turned off is no reason to leave mail unread
  const parts = await partsOf(options, key, server, environment);
  const connections = new Set<Socket>();
  const door = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serve(socket, parts);
  });
  const claimed = await claimPaths([listener]);
  try {
    const at = await listenOn(door, listener, SOCKET_MODE).catch((error: Error) => {
      throw new CommandError('config', `--listen: ${error.message}`);
    });
    process.stderr.write(`sealdir: IMAP for programs on this machine at ${at}, without TLS\n`);
    await stopped;
  } finally {
    door.close();
    for (const each of connections) each.destroy();
    parts.account.close();
    claimed.release();
  }
  return 0;
}

type Parts = Omit<UnlockedParts, 'prefix' | 'login'>;

function serve(socket: Socket, parts: Parts): void {
  socket.on('error', () => undefined); // whoever reads is told
  socket.setNoDelay();
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  void serveConnection(socket, {
    hostname: 'localhost',
    // the server is the one to judge the password
    attempt: async (credentials: Credentials) => ({
      run: (client: Client) =>
        runUnlocked(credentials, client, {
          ...parts,
          prefix: `S${randomBytes(8).toString('hex')}x`,
          login: async () => ({ ...credentials, isTheirs: true }),
        }),
    }),
    complain: (error) => parts.complain('command', error),
  });
}

async function partsOf(
  { agent, ca, 'passphrase-file': passphraseFile }: Options,
  key: string,
  server: Server,
  environment: Environment,
): Promise<Parts> {
  const world = realWorld(hostname());
  const bytes = await readInput(key, { what: 'key file', most: MOST_KEYS });
  const read = agent === true ? parseCertificates : certificatesOfSecret;
  const certificates = await read(bytes).catch((error: Error) => {
    throw new CommandError('data', `${key} ${error.message}`);
  });
  const canAsk = process.stderr.isTTY === true;
  const open = () =>
    openerOf({
      ...{ keyFile: key, passphraseFile, canAsk },
      agent: agent === true ? environment : undefined,
    });
  const opener = new LastingOpener(await open(), open);
  const authorities = ca === undefined ? undefined : readFileSync(ca);
  return {
    account: accountWith(opener, certificates, { rules: { subkeys: 'all', unusable: 'defer' }, world }),
    caches: newCaches(),
    appending: { headerPolicy: 'visible', maxHeaderBytes: MOST_HEADER_BYTES, keepsEncrypted: true, world },
    mostMessageBytes: MOST_MESSAGE_BYTES,
    connect: () => connectTo(server, authorities),
    complain: (what, error) => {
      const { message = String(error) } = (error ?? {}) as Partial<Error>;
      process.stderr.write(`sealdir: ${what}: ${visible(message)}\n`);
    },
  };
}

interface Server {
  readonly host: string;
  readonly port: number;
}

/** Rejects unless the certificate is that of the server, by an authority that is trusted. */
async function connectTo({ host, port }: Server, ca: Buffer | undefined): Promise<TLSSocket> {
  const socket = connectTls({ host, port, servername: host, minVersion: 'TLSv1.2', ...(ca && { ca }) });
  socket.setNoDelay().setKeepAlive(true, KEEPALIVE_MS);
  const timer = setTimeout(() => socket.destroy(new Error(`${host} does not answer`)), CONNECT_MS);
  try {
    await once(socket, 'secureConnect');
    return socket;
  } finally {
    clearTimeout(timer);
  }
}

function serverOf([written, extra]: readonly string[]): Server {
  if (written === undefined) throw new CommandError('usage', 'bridge: which server? Give its name');
  if (extra !== undefined) throw new CommandError('usage', `bridge: what is "${extra}"? Give one server`);
  const server = parseListener(/:\d+$/.test(written) ? written : `${written}:${IMAPS_PORT}`);
  if (typeof server === 'string' || server.type !== 'tcp')
    throw new CommandError('usage', `bridge: "${written}" is no name of a server`);
  return server;
}

/** A password comes in clear, so that nobody else may be on the way. */
function listenerOf(written: string): Listener {
  const listener = parseListener(written);
  if (typeof listener === 'string') throw new CommandError('usage', `--listen: "${written}" ${listener}`);
  if (listener.type === 'tcp' && !isLoopback(listener.host))
    throw new CommandError('usage', `--listen: "${written}" is not an address of this machine alone`);
  return listener;
}
