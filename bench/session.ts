// One LMTP session of our load generator. It pipelines the envelope as Postfix does, and sends a body made
// beforehand.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Envelope {
  readonly recipients: number;
  /** MAIL, RCPTs and DATA in one piece. */
  readonly commands: Buffer;
}

export function envelopeFor(recipients: readonly string[]): Envelope {
  const lines = [
    'MAIL FROM:<bench@example.org>',
    ...recipients.map((each) => `RCPT TO:<${each}>`),
    'DATA',
    '',
  ];
  return { recipients: recipients.length, commands: Buffer.from(lines.join('\r\n')) };
}

/**
 * Returns a message of about `bytes` bytes in lines of 80, with the final dot. No other line begins with a
 * dot.
 */
export function bodyOf(bytes: number): Buffer {
  const header = 'From: <bench@example.org>\r\nTo: <bench@example.com>\r\nSubject: bench\r\n\r\n';
  const line = `${'X'.repeat(78)}\r\n`;
  return Buffer.from(`${header}${line.repeat(Math.ceil(bytes / line.length))}.\r\n`);
}

export class Session {
  readonly #socket: Socket;
  #text = '';
  #wanted = 0;
  #lines: string[] = [];
  #resolve: (lines: string[]) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#read(bytes.toString('latin1')));
    socket.on('error', (error) => this.#reject(error));
    socket.on('close', () => this.#reject(new Error('the server closed the connection')));
  }

  /** Resolves when the server has answered LHLO. */
  static async open(port: number): Promise<Session> {
    const socket = connect(port, '127.0.0.1');
    const session = new Session(socket);
    const greeting = session.#replies(1);
    await once(socket, 'connect');
    await greeting;
    await session.#say('LHLO bench.example\r\n', 1, '250');
    return session;
  }

  /** Rejects unless every recipient is acknowledged. */
  async deliver({ recipients, commands }: Envelope, body: Buffer): Promise<void> {
    const replies = await this.#say(commands, recipients + 2, '');
    if (replies.at(-1)?.startsWith('354') !== true) throw new Error(replies.join(' / '));
    await this.#say(body, recipients, '250');
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  async #say(bytes: string | Buffer, replies: number, code: string): Promise<string[]> {
    const answered = this.#replies(replies);
    this.#socket.write(bytes);
    const lines = await answered;
    const wrong = lines.find((line) => !line.startsWith(code));
    if (wrong !== undefined) throw new Error(`the server said ${wrong}`);
    return lines;
  }

  #replies(count: number): Promise<string[]> {
    this.#wanted = count;
    this.#lines = [];
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #read(text: string): void {
    const parts = (this.#text + text).split('\r\n');
    this.#text = parts.pop() ?? '';
    // A '-' after the code says that more lines of this reply follow (RFC 5321 §4.2.1).
    for (const line of parts) if (line[3] !== '-') this.#lines.push(line);
    if (this.#lines.length === this.#wanted) this.#resolve(this.#lines);
  }
}
