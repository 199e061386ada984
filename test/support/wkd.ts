// Web key directories: programs that make them, and a web server that answers as one.

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { leftOut } from './peers.ts';
import { run } from './process.ts';

/** Debian has it outside of PATH; '' where it is missing. */
export const WKS_CLIENT =
  ['/usr/lib/gnupg/gpg-wks-client', '/usr/libexec/gpg-wks-client'].find(existsSync) ?? '';

export function needsWksClient(): { skip: string | false } {
  return WKS_CLIENT === '' ? leftOut('gpg-wks-client') : { skip: false };
}

/** Names that the certificate of a test's web server is for. */
export const DOMAIN = 'example.com';
const NAMES = [DOMAIN, `openpgpkey.${DOMAIN}`, 'elsewhere.example', `openpgpkey.example.net`];

export interface TestAuthority {
  /** File with the certificate of the authority. */
  readonly caFile: string;
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** Makes an authority, and a certificate of it for a web server, in a directory. */
export async function makeAuthority(directory: string): Promise<TestAuthority> {
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await run('openssl', args, { cwd: directory });
    if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=a test');
  await openssl('req', ...curve, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server');
  const names = NAMES.map((name) => `DNS:${name}`).join(',');
  await writeFile(join(directory, 'names'), `subjectAltName=${names}\n`);
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
  await openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...signing);
  return {
    caFile: join(directory, 'ca.pem'),
    key: await readFile(join(directory, 'server.key')),
    cert: await readFile(join(directory, 'server.pem')),
  };
}

export interface WkdServer {
  readonly port: number;
  /** `host path` of each request so far. */
  readonly asked: string[];
  /** What it does with the next requests. */
  answer: (response: ServerResponse, request: IncomingMessage) => void;
  close(): Promise<void>;
}

/** A web server on the loopback that answers as it is told; 404 until then. */
export async function openWkdServer(authority: Pick<TestAuthority, 'key' | 'cert'>): Promise<WkdServer> {
  const asked: string[] = [];
  const server = createServer(authority, (request, response) => {
    asked.push(`${request.headers.host?.split(':')[0]} ${request.url}`);
    state.answer(response, request);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const state: WkdServer = {
    port: (server.address() as AddressInfo).port,
    asked,
    answer: (response) => void response.writeHead(404).end(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return state;
}
