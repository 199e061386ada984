// Clients as a mail server is one: each message is sent until it is acknowledged. Everything that is not 250
// is tried again, and so is a connection that fails.

import { connectLmtp, deliver, type LmtpClient } from './lmtp.ts';

export interface LoadResult {
  /** The subjects of the messages that were acknowledged. */
  readonly acknowledged: readonly string[];
  /** How often one was sent, or a connection tried. */
  readonly tries: number;
  /** Connections that could not be made. */
  readonly refused: number;
}

export class Load {
  readonly #socket: string | number;
  readonly #recipient: string;
  readonly #acknowledged: string[] = [];
  #tries = 0;
  #refused = 0;
  #isEnding = false;
  readonly #clients: Promise<unknown>;

  /** Each of `clients` sends messages one after the other, over one connection for as long as it lasts. */
  constructor(socket: string | number, recipient: string, clients: number) {
    this.#socket = socket;
    this.#recipient = recipient;
    this.#clients = Promise.all(Array.from({ length: clients }, (_, name) => this.#run(name)));
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** Waits until what is under way is acknowledged. */
  async end(): Promise<LoadResult> {
    this.#isEnding = true;
    await this.#clients;
    return { acknowledged: this.#acknowledged, tries: this.#tries, refused: this.#refused };
  }

  async #run(name: number): Promise<void> {
    let client: LmtpClient | undefined;
    for (let n = 0; !this.#isEnding; n += 1) client = await this.#send(`load-${name}-${n}.`, client);
    await client?.vanish();
  }

  /** Sends one message until it is acknowledged. Returns the connection, if it can be used again. */
  async #send(subject: string, open: LmtpClient | undefined): Promise<LmtpClient> {
    for (let client = open; ; client = undefined) {
      this.#tries += 1;
      client ??= await this.#connected();
      if (client !== undefined && (await this.#isAcknowledged(client, subject))) {
        this.#acknowledged.push(subject);
        return client;
      }
      await client?.vanish();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #connected(): Promise<LmtpClient | undefined> {
    const client = await connectLmtp(this.#socket).catch(() => undefined);
    if (client === undefined) {
      this.#refused += 1;
      return undefined;
    }
    await client.reply();
    await client.say('LHLO load.example');
    return client;
  }

  async #isAcknowledged(client: LmtpClient, subject: string): Promise<boolean> {
    const message = Buffer.from(
      `Subject: ${subject}\r\nFrom: <load@example.org>\r\n\r\n${'x'.repeat(2000)}\r\n`,
    );
    const { final } = await deliver(client, { to: [this.#recipient], message });
    return final[0]?.startsWith('250') ?? false;
  }
}
