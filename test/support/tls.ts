// Certificates made by openssl, and openssl itself as a client.

import { once } from 'node:events';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import tls, { type ConnectionOptions, type PeerCertificate, type TLSSocket } from 'node:tls';
import { type LmtpClient, lmtpOver } from './lmtp.ts';
import { run } from './process.ts';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const RSA = ['-newkey', 'rsa:2048'];

export interface Certified {
  /** Names in the certificate, beside its CN. */
  readonly names?: readonly string[];
  readonly kind?: 'ec' | 'rsa';
  readonly days?: number;
  /** What the certificate is for; for anything if left out. */
  readonly usage?: string;
}

export interface Authority {
  /** The directory of the files. */
  readonly directory: string;
  /** Its own certificate. */
  readonly file: string;
  /** Makes NAME.pem and NAME.key in the directory; the CN is NAME. */
  certify(name: string, options?: Certified): Promise<{ readonly pem: string; readonly key: string }>;
}

/** Makes an authority in a directory. */
export async function openAuthority(directory: string, name = 'authority'): Promise<Authority> {
  const at = (file: string) => join(directory, file);
  const self = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '30', '-subj', `/CN=${name}`];
  await openssl(directory, 'req', '-x509', ...EC, '-nodes', ...self);
  return {
    directory,
    file: at(`${name}.pem`),
    async certify(subject, { names = [], kind = 'ec', days = 30, usage } = {}) {
      const request = ['-keyout', `${subject}.key`, '-out', `${subject}.csr`, '-subj', `/CN=${subject}`];
      await openssl(directory, 'req', ...(kind === 'ec' ? EC : RSA), '-nodes', ...request);
      const alternatives = names.map((each) => `DNS:${each}`).join(',');
      const extensions = [
        ...(alternatives === '' ? [] : [`subjectAltName=${alternatives}`]),
        ...(usage === undefined ? [] : [`extendedKeyUsage=${usage}`]),
        'basicConstraints=CA:false',
      ];
      await writeFile(at(`${subject}.ext`), `${extensions.join('\n')}\n`);
      const signing = ['-CA', `${name}.pem`, '-CAkey', `${name}.key`, '-CAcreateserial'];
      const validity = ['-days', String(days), '-extfile', `${subject}.ext`];
      await openssl(
        directory,
        ...['x509', '-req', '-in', `${subject}.csr`, '-out', `${subject}.pem`, ...signing, ...validity],
      );
      return { pem: at(`${subject}.pem`), key: at(`${subject}.key`) };
    },
  };
}

async function openssl(cwd: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run('openssl', args, { cwd });
  if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
}

/** Puts a file in the place of another at one moment, as programs that renew certificates do. */
export async function exchange(from: string, to: string): Promise<void> {
  await copyFile(from, `${to}.new`);
  await rename(`${to}.new`, to);
}

/**
 * Runs `openssl s_client` against a port of 127.0.0.1 with what it is to send, and resolves to all that it
 * printed.
 */
export async function sClient(port: number, args: readonly string[], input = ''): Promise<string> {
  // with -ign_eof, R and Q in the input are no orders
  const all = ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof', '-crlf', ...args];
  const { stdout, stderr } = await run('openssl', all, { stdin: input, timeoutMs: 60_000 });
  return `${stdout}${stderr}`;
}

/** Connects to a port of 127.0.0.1 and asks for TLS. Resolves to a session in which nothing has been said. */
export async function startTls(port: number, options: ConnectionOptions = {}): Promise<LmtpClient> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  let heard = '';
  const hears = (what: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const listen = (bytes: Buffer) => {
        heard += bytes.toString('latin1');
        if (!what.test(heard)) return;
        socket.off('data', listen);
        resolve();
      };
      socket.on('data', listen).once('close', () => reject(new Error(`closed after: ${heard}`)));
      socket.on('error', reject);
    });
  await hears(/^220 .*\r\n/);
  socket.write('STARTTLS\r\n');
  await hears(/\n220 .*\r\n/);
  return secure({ ...options, socket });
}

/** Connects to a port of 127.0.0.1 where TLS is from the start. Resolves to a session that is greeted. */
export async function connectTls(port: number, options: ConnectionOptions = {}): Promise<LmtpClient> {
  const client = await secure({ ...options, host: '127.0.0.1', port });
  await client.reply();
  return client;
}

/** Shakes hands as a client. */
export async function secure(options: ConnectionOptions): Promise<LmtpClient> {
  const socket = tls.connect({ rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined); // told by the end of the replies
  return lmtpOver(socket);
}

/** Returns the certificate of the server that a session is with. */
export function shownTo(client: LmtpClient): PeerCertificate {
  return (client.socket as TLSSocket).getPeerCertificate();
}
