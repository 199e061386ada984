/**
 * An LMTP client for one message (RFC 2033): one reply for each recipient, and nothing stored unless the
 * message came to its end. Knows nothing of who sends, and why.
 */
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';

export interface Outgoing {
  /** The name of this host, for LHLO. */
  readonly host: string;
  /** The reverse-path without its brackets; '' for none. */
  readonly sender: string;
  /** Paths without their brackets. */
  readonly recipients: readonly string[];
  /** With CRLF line ends. */
  readonly message: AsyncIterable<Buffer>;
}

/** What the server said, as in `250 2.0.0 Sealed`. */
export interface ServerReply {
  readonly code: number;
  /** The status code of RFC 3463; '' if there was none. */
  readonly status: string;
  /** All of it, in one line. */
  readonly text: string;
}

/** The server could not be reached, said something else than LMTP, or left: the message may not be stored. */
export class NoReply extends Error {}

/**
 * Returns a reply for each recipient, in order. Throws NoReply, also for a reply about the session or the
 * server alone, and whatever reading the message throws.
 */
export async function deliver(
  server: NetConnectOpts,
  { host, sender, recipients, message }: Outgoing,
  silenceMs: number,
): Promise<ServerReply[]> {
  const session = new Session(connect(server), silenceMs);
  const toAll = (reply: ServerReply) => recipients.map(() => reply);
  try {
    const greeting = await session.reply();
    if (!isGood(greeting)) throw new NoReply(greeting.text);
    const hello = await session.say(`LHLO ${host}`);
    if (!isGood(hello)) throw new NoReply(hello.text);
    const isInternational = [sender, ...recipients].some((path) => /[^\0-\x7f]/.test(path));
    const mail = await session.say(
      `MAIL FROM:<${sender}> BODY=8BITMIME${isInternational ? ' SMTPUTF8' : ''}`,
    );
    if (!isGood(mail)) return toAll(mail);
    const replies: ServerReply[] = [];
    for (const path of recipients) replies.push(await session.say(`RCPT TO:<${path}>`));
    if (!replies.some(isGood)) return replies;
    const data = await session.say('DATA');
    if (data.code !== 354) throw new NoReply(data.text);
    await session.send(message);
    for (const [n, reply] of replies.entries()) if (isGood(reply)) replies[n] = await session.reply();
    return replies;
  } finally {
    session.close();
  }
}

function isGood({ code }: ServerReply): boolean {
  return code >= 200 && code < 300;
}

class Session {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  #failure: Error | undefined;

  constructor(socket: Socket, silenceMs: number) {
    this.#socket = socket;
    socket.setTimeout(silenceMs, () => socket.destroy(new Error('the server does not answer')));
    socket.on('error', (error) => {
      this.#failure = error;
    });
    this.#lines = linesOf(socket);
  }

  async say(command: string): Promise<ServerReply> {
    this.#socket.write(`${command}\r\n`);
    return this.reply();
  }

  /** The lines of one reply (RFC 5321 §4.2.1). */
  async reply(): Promise<ServerReply> {
    const texts: string[] = [];
    for (;;) {
      const { value, done } = await this.#lines.next().catch((error: Error) => {
        throw new NoReply(error.message);
      });
      if (done === true) throw new NoReply(this.#failure?.message ?? 'the server has left');
      const [, code, more, text = ''] = /^([2345]\d\d)(?:([ -])(.*))?$/.exec(value) ?? [];
      if (code === undefined) throw new NoReply('the server does not speak LMTP');
      texts.push(text);
      if (more === '-') continue;
      const [status = ''] = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/.exec(texts[0] ?? '') ?? [];
      return { code: Number(code), status, text: `${code} ${texts.join(' ')}` };
    }
  }

  /** Sends a message and its end. If reading it fails, the end is never sent, so nothing is stored. */
  async send(message: AsyncIterable<Buffer>): Promise<void> {
    const dots = new DotStuffing();
    for await (const piece of message) await this.#write(dots.update(piece));
    await this.#write(dots.final());
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#socket.destroyed) throw new NoReply(this.#failure?.message ?? 'the server has left');
    if (this.#socket.write(bytes)) return;
    await Promise.race([once(this.#socket, 'drain'), once(this.#socket, 'close')]).catch((error: Error) => {
      throw new NoReply(error.message);
    });
  }

  close(): void {
    this.#socket.end('QUIT\r\n');
    this.#socket.unref();
  }
}

async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let rest = '';
  for await (const bytes of socket) {
    const lines = (rest + (bytes as Buffer).toString('utf8')).split('\r\n');
    rest = lines.pop() ?? '';
    if (rest.length > 4096) return;
    yield* lines;
  }
}

/** Doubles a dot that begins a line (RFC 5321 §4.5.2), and ends the message. */
class DotStuffing {
  #last = '\r\n'; // the last two bytes, as text

  update(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    const text = bytes.toString('latin1');
    const whole = (this.#last + text).replace(/\r\n\./g, '\r\n..').slice(this.#last.length);
    this.#last = (this.#last + text).slice(-2);
    return Buffer.from(whole, 'latin1');
  }

  final(): Buffer {
    return Buffer.from(this.#last === '\r\n' ? '.\r\n' : '\r\n.\r\n');
  }
}
