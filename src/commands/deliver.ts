/**
 * `sealdir deliver`: a message on standard input -> the running server, for mail servers and programs that
 * hand a message to a command (Exim's pipe, Postfix's pipe(8), fetchmail, getmail, maildrop). A client of the
 * server and nothing more: what stores is one program. Exits with 0 only if all copies are stored.
 */
import type { NetConnectOpts } from 'node:net';
import type { Readable } from 'node:stream';
import type { Settings } from '../config/settings.ts';
import { parseAddress } from '../core/address.ts';
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
/** A server answers within its own limit. One that does not has this in addition, or as much again. */
const GRACE_MS = 60_000;

/** Throws CommandError unless all copies are stored. */
export async function deliverToServer(options: DeliverOptions): Promise<void> {
  const { settings, message, sender = '', detail = '', recipients } = options;
  if (recipients.length === 0)
    throw new CommandError('usage', 'give a recipient: sealdir deliver RECIPIENT...');
  const paths = recipients.map((recipient) => pathOf(recipient, detail, settings));
  const outgoing = {
    host: settings.hostname,
    sender: sender === '' || sender === '<>' ? '' : pathOf(sender, '', settings),
    recipients: paths,
    message: canonical(message),
  };
  const limitMs = settings.lmtp.transaction_timeout;
  const silenceMs = limitMs + Math.min(limitMs, GRACE_MS);
  const replies = await deliver(serverOf(settings), outgoing, silenceMs).catch((error: unknown) => {
    if (!(error instanceof NoReply)) throw error;
    throw new CommandError('tempFail', 'the mail store does not answer').because(error.message);
  });
  const failed = replies.flatMap((reply, n) => (reply.code === 250 ? [] : [{ reply, recipient: paths[n] }]));
  if (failed.length === 0) return;
  const lines = failed.map(({ reply, recipient }) => `${recipient}: ${reply.text}`);
  throw new CommandError(kindOf(failed.map(({ reply }) => reply)), ...lines);
}

/** What a reply is about, if it is for good: an address, a mailbox, the message, or its sealing. */
const ABOUT_MAIL = /^5\.(1\.\d+|2\.\d+|3\.4|6\.\d+|7\.[15])$/;

/** A server that is set up for others, or refuses a command, says nothing about a recipient or a message. */
function kindOf(replies: readonly ServerReply[]): 'tempFail' | 'noUser' | 'data' {
  if (replies.some(({ code, status }) => code < 500 || !ABOUT_MAIL.test(status))) return 'tempFail';
  return replies.every(({ status }) => status === '5.1.1') ? 'noUser' : 'data';
}

/**
 * Returns a path as RCPT takes it, without its brackets. Mail servers hand on a local part without its
 * quotes; what cannot be part of an address would be a parameter, or a command of its own.
 */
function pathOf(written: string, detail: string, { recipients }: Settings): string {
  const [, within] = /^\s*<(.*)>\s*$/.exec(written) ?? [];
  const path = within ?? written;
  if (path === '') throw new CommandError('usage', 'an address is empty');
  if (detail !== '' && recipients.delimiter === '')
    throw new CommandError('usage', 'recipients.delimiter is empty: no address has a detail (-a)');
  const parsed = parseAddress(path);
  if (parsed !== undefined && detail === '') return path;
  const at = path.lastIndexOf('@');
  const { local, domain } = parsed ?? {
    local: at < 0 ? path : path.slice(0, at),
    domain: at < 0 ? '' : path.slice(at + 1),
  };
  const whole = detail === '' ? local : `${local}${recipients.delimiter[0]}${detail}`;
  const spelt = /^[^\s"\\@()<>,;:[\]]+$/.test(whole) ? whole : `"${whole.replaceAll(/["\\]/g, '\\$&')}"`;
  const result = domain === '' ? spelt : `${spelt}@${domain}`;
  if (parseAddress(result) === undefined) throw new CommandError('data', 'not an address');
  return result;
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
