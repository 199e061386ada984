// A Sealdir that speaks TLS, with certificates of an authority of its own.

import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChildServer, startChild } from './child.ts';
import { makeKey, type TestKey } from './testkeys.ts';
import { type Authority, openAuthority } from './tls.ts';

export const ALICE = 'alice@example.com';
/** Of the certificates that it begins with. */
export const NAME = 'mx.example.com';

export interface TlsServer extends ChildServer {
  /** TLS from the start, on 127.0.0.1. */
  readonly tlsPort: number;
  readonly authority: Authority;
  readonly alice: TestKey;
  /** Path of a file of the authority, or of `ec.pem`, `ec.key`, `rsa.pem`, `rsa.key` in use. */
  readonly at: (file: string) => string;
}

export interface TlsServerOptions {
  readonly processes?: number;
  /** Lines of TOML for [lmtp] and for [tls]; `DIR` stands for the server's directory in both. */
  readonly lmtp?: string;
  readonly tls?: string;
}

/** Starts a server with an ECDSA and an RSA certificate, on a port in clear and on one with TLS. */
export async function startTlsServer(options: TlsServerOptions = {}): Promise<TlsServer> {
  const alice = await makeKey(ALICE);
  let authority: Authority | undefined;
  const server = await startChild({
    keys: { [ALICE]: alice.certificate },
    listen: ['tls://127.0.0.1:0'],
    toml: {
      processes: options.processes ?? 1,
      lmtp: options.lmtp ?? '',
      rest: `[tls]\ncertificate = ["DIR/ec.pem", "DIR/rsa.pem"]\nkey = ["DIR/ec.key", "DIR/rsa.key"]\n${options.tls ?? ''}`,
    },
    async prepare(directory) {
      await mkdir(join(directory, 'ca'));
      authority = await openAuthority(join(directory, 'ca'));
      for (const kind of ['ec', 'rsa'] as const) {
        const { pem, key } = await authority.certify(`first-${kind}`, { kind, names: [NAME] });
        await copyFile(pem, join(directory, `${kind}.pem`));
        await copyFile(key, join(directory, `${kind}.key`));
      }
    },
  });
  if (authority === undefined) throw new Error('prepare was not called');
  const tlsPort = Number(/"tls:\/\/127\.0\.0\.1:(\d+)"/.exec(server.process.output())?.[1]);
  return { ...server, tlsPort, authority, alice, at: (file) => join(server.directory, file) };
}
