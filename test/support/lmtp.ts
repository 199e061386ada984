// A client that talks bytes to an LMTP socket and reads whole replies, one at a time and in order.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { asData } from './wireform.ts';

export interface LmtpClient {
  readonly socket: Socket;
  /** Sends bytes as they are. */
  write(bytes: string | Uint8Array): void;
  /** The next reply, its lines joined by LF; '' once the server has closed. */
  reply(): Promise<string>;
  /** Sends a line and gives its reply. */
  say(line: string): Promise<string>;
  /** Closes without a word and waits until the socket is gone. */
  vanish(): Promise<void>;
}

/** Connects to a Unix socket path or a port of 127.0.0.1. */
export async function connectLmtp(to: string | number): Promise<LmtpClient> {
  const socket = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
  socket.setNoDelay(true);
  const replies = readReplies(socket);
  await once(socket, 'connect');
  const reply = async () => (await replies.next()).value ?? '';
  const write = (bytes: string | Uint8Array) => {
    socket.write(bytes);
  };
  return {
    socket,
    write,
    reply,
    say(line) {
      write(`${line}\r\n`);
      return reply();
    },
    async vanish() {
      socket.destroy();
      if (!socket.closed) await once(socket, 'close');
    },
  };
}

/** Writes each piece in a turn of the event loop of its own: a server in this process reads them one by one. */
export async function writeApart(client: LmtpClient, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise((resolve) => setImmediate(resolve));
    client.write(piece);
  }
}

export interface Delivery {
  readonly from?: string;
  readonly to: readonly string[];
  /** In wire form; dot-stuffed here. */
  readonly message: Buffer;
}

/** One transaction in an open session: the reply of every RCPT, then one reply for each that was accepted. */
export async function deliver(client: LmtpClient, { from = 'sender@example.org', to, message }: Delivery) {
  await client.say(`MAIL FROM:<${from}> BODY=8BITMIME SMTPUTF8`);
  const rcpt: string[] = [];
  for (const address of to) rcpt.push(await client.say(`RCPT TO:<${address}>`));
  const accepted = rcpt.filter((reply) => reply.startsWith('250')).length;
  const data = await client.say('DATA');
  if (!data.startsWith('354')) return { rcpt, data, final: [] };
  client.write(asData(message));
  const final: string[] = [];
  for (let i = 0; i < accepted; i++) final.push(await client.reply());
  return { rcpt, data, final };
}

/** A session that has said LHLO. */
export async function openSession(to: string | number): Promise<LmtpClient> {
  const client = await connectLmtp(to);
  await client.reply();
  await client.say('LHLO client.example');
  return client;
}

async function* readReplies(socket: Socket): AsyncGenerator<string> {
  let text = '';
  try {
    for await (const bytes of socket) {
      text += (bytes as Buffer).toString('latin1');
      // the last line of a reply has a blank behind its code (RFC 5321 §4.2.1)
      for (let match = wholeReply(text); match !== undefined; match = wholeReply(text)) {
        text = text.slice(match.length);
        yield match.trimEnd().replaceAll('\r\n', '\n');
      }
    }
  } catch {
    // reset by the server: the same as closed for whoever reads replies
  }
  if (text !== '') yield `unfinished: ${text}`;
}

function wholeReply(text: string): string | undefined {
  return /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(text)?.[0];
}
