// An IMAP client for benches, which does little more than count: what it is sent is not taken apart.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** As clients ask for their lists: with the structure, and Thunderbird. */
export const LISTS = {
  'ENVELOPE BODYSTRUCTURE': 'UID FETCH 1:* (FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE)',
  Thunderbird:
    'UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID' +
    ' Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To Autocrypt)])',
} as const;

export class BenchClient {
  readonly #socket: Socket;
  #count = 0;
  /** The last bytes that came, and what they are looked through for. */
  #tail = '';
  #wanted: { tag: string; bytes: number; done(text: string): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => this.#take(piece));
    socket.on('close', () => this.#wanted?.done('closed'));
  }

  static async connect(port: number): Promise<BenchClient> {
    const socket = connect(port, '127.0.0.1').setNoDelay();
    socket.on('error', () => undefined);
    const greeted = once(socket, 'data');
    await greeted;
    return new BenchClient(socket);
  }

  /** Resolves to the bytes of the answer. Rejects unless it is OK. */
  async command(text: string): Promise<number> {
    const tag = `bench${++this.#count}x${Math.random().toString(36).slice(2)}`;
    this.#tail = '';
    const answered = new Promise<string>((done) => {
      this.#wanted = { tag, bytes: 0, done };
    });
    this.#socket.write(`${tag} ${text}\r\n`);
    const answer = await answered;
    if (!answer.startsWith('OK')) throw new Error(`${text.slice(0, 60)}: ${answer}`);
    return this.#wanted?.bytes ?? 0;
  }

  async login(user: string, password: string): Promise<void> {
    await this.command(`LOGIN "${user}" "${password}"`);
  }

  async select(): Promise<void> {
    await this.command('SELECT INBOX');
  }

  async logout(): Promise<void> {
    await this.command('LOGOUT').catch(() => undefined);
    this.#socket.destroy();
  }

  #take(piece: Buffer): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    wanted.bytes += piece.length;
    const end = piece.toString('latin1', Math.max(0, piece.length - 2000));
    this.#tail = (this.#tail + end).slice(-4000);
    const at = this.#tail.indexOf(`${wanted.tag} `);
    if (at === -1) return;
    const line = this.#tail.slice(at + wanted.tag.length + 1);
    if (line.endsWith('\r\n')) wanted.done(line.trimEnd());
  }
}

/** Resolves to a client that has logged in and selected INBOX. */
export async function opened(port: number, user: string, password: string): Promise<BenchClient> {
  const client = await BenchClient.connect(port);
  await client.login(user, password);
  await client.select();
  return client;
}
