// `sealdir bridge` as its user runs it, and the IMAP server far away: a Dovecot behind TLS. What the server
// gets of what passes is kept, as it is without TLS.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { CLI } from './child.ts';
import { type Dovecot, startDovecotImap } from './dovecot.ts';
import { freePort } from './port.ts';
import { type Running, run, start } from './process.ts';
import { type Authority, openAuthority } from './tls.ts';

export const ALICE = 'alice@example.com';

export interface FarServer {
  readonly dir: string;
  /** IMAP over TLS on 127.0.0.1; its certificate is for `localhost`. */
  readonly port: number;
  readonly dovecot: Dovecot;
  readonly authority: Authority;
  /** All that it was sent. */
  readonly received: Buffer[];
  /** What is below Alice's Maildir. */
  mailbox(below: string): string;
  /** Stores a message for Alice, sealed to what a key file holds. */
  store(message: Buffer | string, keyFile: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startFarServer(): Promise<FarServer> {
  const dir = await mkdtemp(join(tmpdir(), 'sealdir-bridge-'));
  const mailbox = (below: string) => join(dir, 'mail/example.com/alice', below);
  for (const part of ['tmp', 'new', 'cur']) await mkdir(mailbox(part), { recursive: true });
  const dovecot = await startDovecotImap({ dir });
  await dovecot.adopt(join(dir, 'mail'));
  const authority = await openAuthority(dir);
  const { pem, key } = await authority.certify('server', { names: ['localhost'] });
  const received: Buffer[] = [];
  const server = createServer({ cert: readFileSync(pem), key: readFileSync(key) }, (client) => {
    const behind = connect(dovecot.port, '127.0.0.1');
    client.on('data', (bytes) => received.push(bytes));
    for (const each of [client, behind]) each.on('error', () => undefined);
    client.pipe(behind).pipe(client);
  }).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  let stored = 0;
  return {
    ...{ dir, port: (server.address() as AddressInfo).port, dovecot, authority, received, mailbox },
    async store(message, keyFile) {
      const args = [CLI, 'seal', '-k', keyFile];
      const { code, stdout, stderr } = await run(process.execPath, args, { stdin: message });
      if (code !== 0) throw new Error(stderr);
      await writeFile(mailbox(`new/${1_000_000_000 + ++stored}.M1P1.host`), stdout);
      await dovecot.adopt(mailbox('new'));
    },
    async stop() {
      server.close();
      await dovecot.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface BridgeOptions {
  /** `-k FILE`, and more of it. */
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** By which the server is called. */
  readonly name?: string;
}

/** Starts one for `far`; resolves to the port for programs on 127.0.0.1. */
export async function startBridge(
  far: FarServer,
  { args, env = {}, name = 'localhost' }: BridgeOptions,
): Promise<{ readonly running: Running; readonly port: number }> {
  const port = await freePort();
  const all = [CLI, 'bridge', '--listen', `127.0.0.1:${port}`, ...args, `${name}:${far.port}`];
  const ready = (output: string) => output.includes('IMAP for programs on this machine');
  return { running: await start(process.execPath, all, { ready, env }), port };
}
