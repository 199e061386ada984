// A client that sends bytes to an LMTP socket and reads whole replies, one at a time and in order.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';
import { asData } from './wireform.ts';

const GREETING_MS = 3000;
/** A test that waited for ever would leave its server running; shorter than the time a test is given. */
const REPLY_MS = 30_000;

export interface LmtpClient {
  readonly socket: Socket;
  /** Sends bytes as they are. */
  write(bytes: string | Uint8Array): void;
  /** Resolves to the next reply, its lines joined by LF, or to '' once the server has closed. */
  reply(): Promise<string>;
  /** Sends a line and resolves to its reply. */
  say(line: string): Promise<string>;
  /** Closes without QUIT and waits until the socket has closed. */
  vanish(): Promise<void>;
}

/** Connects to a Unix socket path or a port of 127.0.0.1. */
export async function connectLmtp(to: string | number): Promise<LmtpClient> {
  const socket = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
  socket.setNoDelay(true);
  socket.on('error', () => undefined); // told by `connect` or by the end of the replies
  const client = lmtpOver(socket);
  await once(socket, 'connect');
  return client;
}

/** Reads what comes from a socket as replies. */
export function lmtpOver(socket: Socket): LmtpClient {
  const replies = readReplies(socket);
  let last = ''; // what was answered last, for the error if nothing comes
  const reply = async () => {
    const next = await within(replies.next(), REPLY_MS);
    if (next === 'late') throw new Error(`no reply within ${REPLY_MS} ms; the last one: ${last}`);
    last = next.value ?? '';
    return last;
  };
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

/**
 * Writes each piece in another turn of the event loop, so that a server in this process reads them one by
 * one.
 */
export async function writeApart(client: LmtpClient, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise((resolve) => setImmediate(resolve));
    client.write(piece);
  }
}

export interface Delivery {
  readonly from?: string;
  readonly to: readonly string[];
  /** In wire form, not dot-stuffed. */
  readonly message: Buffer;
}

/**
 * Runs one transaction in an open session. Reads a reply to every RCPT, then one for each that was accepted.
 */
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

/**
 * Waits for the greeting. False where nobody says anything, as opposed to a connection that is closed: so it
 * is with one that was on its way to a worker that is stopped.
 */
export async function isGreeted(session: LmtpClient): Promise<boolean> {
  const late = pause(GREETING_MS, false, { ref: false });
  const isAnswered = await Promise.race([session.reply().then(() => true), late]);
  if (!isAnswered) await session.vanish();
  return isAnswered;
}

/** Opens a session and says LHLO. */
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
      // The last line of a reply has a blank after its code (RFC 5321 §4.2.1).
      for (let match = wholeReply(text); match !== undefined; match = wholeReply(text)) {
        text = text.slice(match.length);
        yield match.trimEnd().replaceAll('\r\n', '\n');
      }
    }
  } catch {
    // The server has reset the connection. For a reader of replies it is closed.
  }
  if (text !== '') yield `unfinished: ${text}`;
}

function wholeReply(text: string): string | undefined {
  return /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(text)?.[0];
}
