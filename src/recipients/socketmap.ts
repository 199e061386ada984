/**
 * `recipients.source = "socketmap"`: asks as Postfix does (socketmap_table(5)). The data of an answer is the
 * account, or a JSON object.
 */
import { connect, type Socket } from 'node:net';
import type { SameAddress } from '../core/address.ts';
import type { Listener } from '../core/listener.ts';
import { NetstringReader, netstring } from '../core/netstring.ts';
import { Semaphore } from '../core/semaphore.ts';
import { recipientOf, rowsOf } from './answer.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface SocketmapOptions {
  readonly address: Listener;
  /** The name of the map. */
  readonly map: string;
  readonly connections: number;
  readonly waitMs: number;
}

const MOST_BYTES = 1024 * 1024;

export class SocketmapSource implements RecipientSource {
  readonly #options: SocketmapOptions;
  readonly #same: SameAddress;
  readonly #turns: Semaphore;
  readonly #idle: Connection[] = [];

  constructor(options: SocketmapOptions, same: SameAddress) {
    this.#options = options;
    this.#same = same;
    this.#turns = new Semaphore(options.connections, options.waitMs);
  }

  async find(address: string): Promise<Recipient | undefined> {
    const { map } = this.#options;
    const answer = await this.#turns.run(() => this.#ask(`${map} ${address}`));
    const [, status = '', data = ''] = /^(\S+) ?([\s\S]*)$/.exec(answer) ?? [];
    if (status === 'NOTFOUND') return undefined;
    if (status !== 'OK') throw new Error(`the recipient source answered ${answer.slice(0, 100)}`);
    const rows =
      data.startsWith('{') || data.startsWith('[') ? rowsOf(JSON.parse(data)) : [{ account: data }];
    return recipientOf(rows, address, this.#same);
  }

  async close(): Promise<void> {
    for (const connection of this.#idle.splice(0)) connection.end();
  }

  async #ask(question: string): Promise<string> {
    const connection = this.#connection();
    try {
      const answer = await connection.ask(question);
      this.#idle.push(connection);
      return answer;
    } catch (error) {
      connection.end();
      throw error;
    }
  }

  #connection(): Connection {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop())
      if (!idle.isClosed) return idle;
    return new Connection(this.#options.address, this.#options.waitMs);
  }
}

/** One question at a time. */
class Connection {
  readonly #socket: Socket;
  readonly #reader = new NetstringReader(MOST_BYTES);
  #answered: (answer: string) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #isAsking = false;

  constructor(address: Listener, waitMs: number) {
    this.#socket = address.type === 'unix' ? connect(address.path) : connect(address.port, address.host);
    this.#socket.setTimeout(waitMs, () => {
      if (this.#isAsking) this.#socket.destroy(new Error('the recipient source does not answer'));
    });
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.on('close', () => this.#failed(new Error('the recipient source closed the connection')));
  }

  get isClosed(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  ask(question: string): Promise<string> {
    this.#isAsking = true;
    const answer = new Promise<string>((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
    });
    this.#socket.write(netstring(question));
    return answer.finally(() => {
      this.#isAsking = false;
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    try {
      for (const answer of this.#reader.update(bytes)) this.#answered(answer);
    } catch (error) {
      this.#socket.destroy(error as Error);
    }
  }
}
