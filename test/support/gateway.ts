// A gateway in the process of a test, before a real Dovecot with a Maildir of sealed and other messages.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNMETERED } from '../../src/core/meter.ts';
import { keepOrSealMessage } from '../../src/delivery/keepmessage.ts';
import { realWorld } from '../../src/edge/world.ts';
import { type Account, accountOf, sealingAccount } from '../../src/gateway/account.ts';
import { type Client, serveConnection } from '../../src/gateway/connection.ts';
import { newCaches } from '../../src/gateway/mailbox.ts';
import { runUnlocked } from '../../src/gateway/unlocked.ts';
import { readTransferableKey, type TransferableKey } from '../../src/keys/transferable.ts';
import { type Dovecot, type DovecotVersion, startDovecotImap } from './dovecot.ts';
import { makeKey } from './testkeys.ts';

export const ALICE = 'alice@example.com';
export const PASSWORD = 'correct horse battery staple';
export const world = realWorld('mx.example.com');

export interface TestGateway {
  /** IMAP in clear on 127.0.0.1. */
  readonly port: number;
  readonly dovecot: Dovecot;
  readonly key: TransferableKey;
  readonly complaints: string[];
  /** The Maildir of Alice, or what is below it. */
  mailbox(below?: string): string;
  /** Stores messages as deliveries seal them. */
  store(...messages: readonly (Buffer | string)[]): Promise<void>;
  /** Stores messages as they are. */
  storeAsIs(...messages: readonly (Buffer | string)[]): Promise<void>;
  /** Resolves to the message as it would be stored. */
  sealed(message: Buffer | string): Promise<Buffer>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly version?: DovecotVersion;
  /** Another account than one that opens and seals. */
  account?(key: TransferableKey, account: Account): Account;
}

export async function startGateway({
  account: other,
  version = '2.3',
}: GatewayOptions = {}): Promise<TestGateway> {
  const dir = await mkdtemp(join(tmpdir(), 'sealdir-gateway-'));
  const mailbox = (below = '') => join(dir, 'mail/example.com/alice', below);
  for (const name of ['tmp', 'new', 'cur']) await mkdir(mailbox(name), { recursive: true });
  const dovecot = await startDovecotImap({ dir, version });
  const pair = await makeKey(ALICE);
  const key = await readTransferableKey(Buffer.from(pair.secretKey), async () => undefined);
  const rules = { rules: { subkeys: 'all', unusable: 'defer' }, world } as const;
  const own = await accountOf(key.secretKey, key.certificate, rules);
  const account = other?.(key, own) ?? own;
  const complaints: string[] = [];
  const caches = newCaches();
  const server = createServer((socket) => {
    socket.setNoDelay();
    socket.on('error', () => undefined);
    const complain = (what: string, error: unknown) => void complaints.push(`${what}: ${error}`);
    void serveConnection(socket, {
      hostname: 'mx.example.com',
      async attempt({ tag, user, password }) {
        if (user !== ALICE || password.toString() !== PASSWORD) return { why: 'wrong', holdMs: 0 };
        const run = (client: Client) =>
          runUnlocked({ tag }, client, {
            ...{ account, caches, appending, complain, mostMessageBytes: 100 * 1024 * 1024 },
            prefix: `S${randomBytes(6).toString('hex')}`,
            login: async () => ({ user: ALICE, password: Buffer.from('pass') }),
            async connect() {
              const upstream = connect(dovecot.port, '127.0.0.1').setNoDelay();
              await once(upstream, 'connect');
              return upstream;
            },
          });
        return { run };
      },
      complain: (error) => complain('connection', error),
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const appending = {
    headerPolicy: 'visible',
    maxHeaderBytes: 2 ** 21,
    keepsEncrypted: true,
    world,
  } as const;
  await dovecot.adopt(join(dir, 'mail'));
  let count = 0;
  const storeAsIs = async (...messages: readonly (Buffer | string)[]) => {
    for (const message of messages)
      await writeFile(mailbox(`new/${1_000_000_000 + ++count}.M${count}.host`), message);
    await dovecot.adopt(mailbox('new'));
  };
  const sealed = (message: Buffer | string) => sealedAs(own, message);
  return {
    port: (server.address() as AddressInfo).port,
    ...{ dovecot, key, complaints, mailbox, sealed, storeAsIs },
    store: async (...messages) => storeAsIs(...(await Promise.all(messages.map(sealed)))),
    async stop() {
      server.close();
      await dovecot.stop();
      own.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Resolves to a message as it is stored for an account. */
export async function sealedAs(account: Account, message: Buffer | string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  async function* whole() {
    yield Buffer.from(message);
  }
  const keys = await account.keys();
  const options = { headerPolicy: 'visible', maxHeaderBytes: 2 ** 21, isTheirs: undefined } as const;
  for await (const piece of keepOrSealMessage(whole(), { ...options, keys, world, meter: UNMETERED }))
    pieces.push(piece);
  return Buffer.concat(pieces);
}

export { sealingAccount };
