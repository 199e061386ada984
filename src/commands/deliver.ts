/**
 * `sealdir deliver`: a message on standard input -> the running server, for mail servers and programs that
 * hand a message to a command (Exim's pipe, Postfix's pipe(8), fetchmail, getmail, maildrop). A client of the
 * server and nothing more: what stores is one program. Exits with 0 only if all copies are stored.
 */
import type { NetConnectOpts } from 'node:net';
import type { Readable } from 'node:stream';
import type { Settings } from '../config/settings.ts';
import { deliver, NoReply, type ServerReply } from '../lmtp/client.ts';
import { CanonicalLines } from '../mime/crlf.ts';
import { CommandError } from './errors.ts';

export interface DeliverOptions {
  readonly settings: Settings;
  readonly message: Readable;
  /** The reverse-path, with or without brackets; left out: none. */
  readonly sender: string | undefined;
  /** Added to each recipient's name. */
  readonly detail: string | undefined;
  readonly recipients: readonly string[];
}

/** Where the unit of systemd has its socket, if the configuration says "systemd". */
const USUAL_SOCKET = '/run/sealdir/lmtp.sock';
/** The server answers within its own limit; this is for a server that does not. */
const GRACE_MS = 60_000;

/** Throws CommandError unless all copies are stored. */
export async function deliverToServer(options: DeliverOptions): Promise<void> {
  const { settings, message, sender = '', detail = '', recipients } = options;
  if (recipients.length === 0)
    throw new CommandError('usage', 'give a recipient: sealdir deliver RECIPIENT...');
  const paths = recipients.map((recipient) => bare(withDetail(bare(recipient), detail, settings)));
  const outgoing = {
    host: settings.hostname,
    sender: bare(sender),
    recipients: paths,
    message: canonical(message),
  };
  const silenceMs = settings.lmtp.transaction_timeout + GRACE_MS;
  const replies = await deliver(serverOf(settings), outgoing, silenceMs).catch((error: unknown) => {
    if (!(error instanceof NoReply)) throw error;
    throw new CommandError('tempFail', 'the mail store does not answer').because(error.message);
  });
  const failed = replies.flatMap((reply, n) => (reply.code < 300 ? [] : [{ reply, recipient: paths[n] }]));
  if (failed.length === 0) return;
  const lines = failed.map(({ reply, recipient }) => `${recipient}: ${reply.text}`);
  throw new CommandError(kindOf(failed.map(({ reply }) => reply)), ...lines);
}

function kindOf(replies: readonly ServerReply[]): 'tempFail' | 'noUser' | 'data' {
  if (replies.some(({ code }) => code < 500)) return 'tempFail';
  return replies.every(({ status }) => status === '5.1.1') ? 'noUser' : 'data';
}

function bare(path: string): string {
  const [, within] = /^\s*<(.*)>\s*$/.exec(path) ?? [];
  // else what follows would be parameters, or a command of its own
  const unquoted = (within ?? path).replaceAll(/"(?:\\.|[^"\\])*"/g, '');
  if (/[\r\n\0>]/.test(unquoted) || /[\r\n\0]/.test(path)) throw new CommandError('data', 'not an address');
  return within ?? path;
}

function withDetail(recipient: string, detail: string, { recipients }: Settings): string {
  if (detail === '') return recipient;
  const at = recipient.lastIndexOf('@');
  const [local, domain] = at < 0 ? [recipient, ''] : [recipient.slice(0, at), recipient.slice(at)];
  return `${local}${recipients.delimiter[0] ?? '+'}${detail}${domain}`;
}

function serverOf({ lmtp }: Settings): NetConnectOpts {
  const unix = lmtp.listen.find(({ type }) => type === 'unix');
  const listener = unix ?? lmtp.listen[0];
  if (
    listener?.type === 'tls' ||
    listener?.type === 'tlsSystemd' ||
    (listener?.type === 'tcp' && lmtp.require_tls)
  )
    throw new CommandError('tempFail', 'the mail store cannot be reached').because(
      'deliver speaks no TLS: add a Unix socket to lmtp.listen',
    );
  if (listener?.type === 'tcp') return { host: listener.host, port: listener.port };
  return { path: listener?.type === 'unix' ? listener.path : USUAL_SOCKET };
}

async function* canonical(message: Readable): AsyncGenerator<Buffer> {
  const lines = new CanonicalLines();
  for await (const piece of message) yield lines.update(piece as Buffer);
}
