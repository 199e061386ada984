/**
 * The sockets of LMTP and their end. smtp-server keeps the connections it is given; it does not listen.
 * Besides connection.ts, the only file that knows the library.
 */
import type { Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { within } from '../core/deadline.ts';
import type { Opening } from '../core/listener.ts';
import type { Why } from '../core/outcome.ts';
import { LmtpConnection } from './connection.ts';
import type { Connections } from './connections.ts';
import type { LmtpOptions } from './contract.ts';
import { ReplyBatch } from './replybatch.ts';

// Exim's lmtp transport reads a whole reply into 256 bytes and adds a byte to each line, so the LHLO reply
// must stay below 245 bytes. Its keywords take 115 of them.
const MAX_ANNOUNCED_HOST = 120;
/** How long deliveries that are cut off at the end of a stop get to remove their files. */
const CLEANUP_MS = 4000;

export class LmtpServer extends SMTPServer {
  readonly replies = new ReplyBatch();
  #lmtpOptions: LmtpOptions; // this.options are the library's
  readonly #connections: Connections<LmtpConnection>;
  readonly #refused = new Set<Socket>();
  readonly #living = new Set<Promise<void>>(); // connections, until all they began has ended
  #isDraining = false;

  constructor(options: LmtpOptions, connections: Connections<LmtpConnection>) {
    super({
      lmtp: true,
      name: options.host.slice(0, MAX_ANNOUNCED_HOST),
      logger: false,
      disableReverseLookup: true,
      socketTimeout: options.idleMs,
      onConnect: (_session, callback) => callback(),
    });
    this.#lmtpOptions = options;
    this.#connections = connections;
    this.on('error', (error) => options.fault('lmtp connection', error));
  }

  /** Sets the options of connections that come from now on. */
  configure(options: LmtpOptions): void {
    this.#lmtpOptions = options;
    this.options.socketTimeout = options.idleMs;
  }

  override connect(socket: Socket): void {
    this.accept(socket, 'plain');
  }

  /** Begins a session on a connection from which nothing has been read. */
  accept(socket: Socket, opening: Opening): void {
    const options = this.#lmtpOptions;
    const connection = new LmtpConnection(this, socket, options);
    connection.on('error', (error) => options.fault('lmtp connection', error));
    const refusal = this.#connections.admit(connection, socket, options);
    if (refusal !== undefined) return this.#turnAway(connection, socket, opening, refusal);
    this.connections.add(connection);
    const over = opening === 'tls' ? connection.secureAndGreet() : connection.greet();
    this.#living.add(over);
    over.then(() => this.#living.delete(over));
    if (this.#isDraining) connection.retire('shuttingDown'); // it came just before the sockets were closed
  }

  /**
   * Refuses a connection with a reply. If too many refused clients have not closed their side yet, it is
   * cut off instead: a refusal must not cost a descriptor for long. So is one that begins with TLS: a
   * handshake costs more than there is to say.
   */
  #turnAway(connection: LmtpConnection, socket: Socket, opening: Opening, why: Why): void {
    if (opening === 'tls') return void socket.destroy();
    connection.turnAway(why);
    if (this.#refused.size >= this.#lmtpOptions.maxConnections) socket.destroy();
    this.#refused.add(socket);
    socket.once('close', () => this.#refused.delete(socket));
  }

  /**
   * Stops the server: tells idle sessions 421, lets others have their message delivered, and cuts off what
   * is left after `graceMs`. Also waits for the deliveries of clients that have already gone, since the end
   * of the process would leave their files in tmp/.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    const { open } = this.#connections;
    for (const connection of [...open]) connection.retire('shuttingDown');
    const over = this.#allOver();
    if ((await within(over, graceMs)) !== 'late') return;
    for (const connection of [...open]) connection.cut();
    for (const socket of this.#refused) socket.destroy();
    await within(over, CLEANUP_MS);
  }

  async #allOver(): Promise<void> {
    while (this.#living.size > 0) await Promise.all(this.#living);
  }
}
