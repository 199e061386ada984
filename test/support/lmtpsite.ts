// A mail server, set up with files of config/, that hands mail to Sealdir over LMTP, on a machine of their
// own.

import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIM, SENDER_DOMAIN, startExim } from './exim.ts';
import { type Host, startHost, USERS } from './host.ts';
import { type LossyLine, startLine } from './lossyline.ts';
import { MailHost, shipped } from './mailhost.ts';
import { eximMta, type Mta, postfixMta } from './mta.ts';
import { freePort } from './port.ts';
import { type Postfix, type PostfixOptions, startPostfix } from './postfix.ts';
import { openAuthority } from './tls.ts';

/** Ways from a mail server to Sealdir: the columns of the matrix. */
export type Way =
  | 'Postfix, Unix socket'
  | 'Postfix, TCP with TLS'
  | 'Exim, Unix socket'
  | 'Exim, TCP'
  | 'Exim, TCP with TLS';

export interface LmtpServer {
  readonly mta: Mta;
  /** The socket that the mail server connects to, as it is seen from outside; '' with TCP. */
  readonly socket: string;
  /** All that goes over TCP goes over it. */
  readonly line?: LossyLine;
  readonly stop: () => Promise<void>;
}

const MAP = '/run/sealdir/map.sock';
const TLS = '/etc/sealdir/tls';
const SETTINGS = `[tls]
certificate = ["${TLS}/mail.example.com.pem"]
key = ["${TLS}/mail.example.com.key"]
client_ca = "${TLS}/authority.pem"
client_names = ["relay.example.com"]
`;

export class LmtpSite extends MailHost {
  readonly way: Way;
  readonly mta: Mta;
  readonly #server: LmtpServer;
  readonly #listen: string;

  constructor(way: Way, host: Host, server: LmtpServer, listen: string) {
    super(host);
    this.way = way;
    this.mta = server.mta;
    this.#server = server;
    this.#listen = listen;
  }

  /** Writes a configuration with a limit for messages, and starts the server with it. */
  async serve(maxMessageSize: string): Promise<void> {
    await this.configure(`hostname = "mail.example.com"
processes = 1
metrics.listen = "127.0.0.1:0"
[lmtp]
listen = ["${this.#listen}"]
require_tls = ${this.way.includes('TLS')}
max_message_size = "${maxMessageSize}"
[store]
min_free_space = 0
[recipients]
map_listen = "${MAP}"
delimiter = "+-."
negative_cache = "1s"
${this.way.includes('TLS') ? SETTINGS : ''}`);
    await this.startServer();
  }

  override async startServer(): Promise<void> {
    if (this.#listen === 'systemd') await this.startServerWithSocket(this.#server.socket);
    else await super.startServer();
  }

  /** Does something while replies to large messages are lost, but for the first `kept`. */
  async losing(kept: number, during: () => Promise<void>): Promise<void> {
    const { socket, line } = this.#server;
    if (line !== undefined) {
      line.lose(kept);
      await during();
      return;
    }
    const aside = `${socket}.aside`;
    await rename(socket, aside);
    const lossy = await startLine(socket, aside);
    lossy.lose(kept);
    await during();
    if (lossy.losses() !== 1) throw new Error(`${lossy.losses()} replies were lost, not one`);
    await lossy.stop();
    await rename(aside, socket);
  }

  async stop(): Promise<void> {
    await this.stopServer();
    await this.#server.stop();
    await this.#server.line?.stop();
    await this.host.stop();
  }
}

/** Postfix with `socket.main.cf`, in the chroot where Debian runs it, with `tcp.main.cf`, or with `main`. */
export async function startPostfixSite(
  way: Extract<Way, `Postfix${string}`>,
  more: Pick<PostfixOptions, 'main' | 'services' | 'settings'> = {},
): Promise<LmtpSite & { readonly postfix: Postfix }> {
  const host = await startHost();
  const dir = await mkdtemp(join(tmpdir(), 'sealdir-mta-'));
  const isTcp = way.includes('TCP');
  const { line, listen, port } = await tcp(isTcp);
  const mapPort = await freePort();
  const map = isTcp ? await startLine(mapPort, host.path(MAP)) : undefined;
  if (isTcp) await makeCertificates(host);
  const postfix = await startPostfix({
    dir,
    transport: '',
    domains: [],
    main: shipped(`postfix/${isTcp ? 'tcp' : 'socket'}.main.cf`)
      .replace(':2424', `:${port}`)
      .replace(':2425', `:${mapPort}`)
      .replace('/etc/ssl/certs/ca-certificates.crt', `${TLS}/authority.pem`)
      .replaceAll('/etc/postfix/relay', `${TLS}/relay.example.com`),
    isChrooted: !isTcp,
    ...(more.main === undefined ? { returns: SENDER_DOMAIN } : {}),
    on: host,
    ...more,
  });
  const stop = async () => {
    await postfix.stop();
    await map?.stop();
    await rm(dir, { recursive: true, force: true });
  };
  const socket = join(dir, 'postfix/queue/private/sealdir');
  const server = { mta: postfixMta(postfix), socket, stop, ...(line === undefined ? {} : { line }) };
  const site = new LmtpSite(way, host, server, isTcp ? listen : 'systemd');
  await site.serve('1MiB');
  return Object.assign(site, { postfix });
}

/**
 * Exim with one of the transports, and with the callout where there is one: over TCP in clear with the single
 * file of Debian, else with the split ones.
 */
export async function startEximSite(way: Extract<Way, `Exim${string}`>): Promise<LmtpSite> {
  const host = await startHost([EXIM]);
  const isTcp = way.includes('TCP');
  const { line, listen, port } = await tcp(isTcp);
  const name = isTcp ? (way.includes('TLS') ? 'tls' : 'tcp') : 'socket';
  if (name === 'tls') await makeCertificates(host);
  const transport = shipped(`exim/${name}.transport`)
    .replace('port = 2424', `port = ${port}`)
    .replace('hosts = mail.example.com', 'hosts = mail.example.com\n  allow_localhost')
    .replace('/etc/ssl/certs/ca-certificates.crt', `${TLS}/authority.pem`)
    .replaceAll('/etc/exim4/relay', `${TLS}/relay.example.com`);
  const exim = await startExim(host, {
    domains: ['example.com'],
    form: name === 'tcp' ? 'single' : 'split',
    configuration: {
      'main/000_localmacros': shipped('exim/local.macros'),
      'router/350_sealdir': shipped('exim/lmtp.router'),
      'transport/30_sealdir': transport,
      '../sealdir.acl': isTcp ? shipped('exim/callout.acl') : '',
    },
  });
  const socket = host.path('/run/sealdir/lmtp.sock');
  const server = {
    mta: eximMta(exim),
    socket,
    stop: async () => undefined,
    ...(line === undefined ? {} : { line }),
  };
  const site = new LmtpSite(way, host, server, isTcp ? listen : '/run/sealdir/lmtp.sock');
  await site.serve('1MiB');
  return site;
}

/** Makes a line to a port for Sealdir; `port` is its beginning. */
async function tcp(isTcp: boolean): Promise<{ line?: LossyLine; listen: string; port: number }> {
  if (!isTcp) return { listen: '', port: 0 };
  const [port, end] = [await freePort(), await freePort()];
  return { line: await startLine(port, end), listen: `127.0.0.1:${end}`, port };
}

/** For Sealdir and for the mail server that connects to it. */
async function makeCertificates(host: Host): Promise<void> {
  const directory = host.path(TLS);
  await mkdir(directory);
  const authority = await openAuthority(directory);
  await authority.certify('mail.example.com', { names: ['mail.example.com'] });
  await authority.certify('relay.example.com');
  // a mail server and Sealdir read a key here that is each one's own elsewhere
  await host.run('chmod', ['-R', 'a+rX', TLS]);
  await host.run('chown', ['-R', `${USERS.sealdir}`, TLS]);
}
