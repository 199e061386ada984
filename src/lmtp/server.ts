/**
 * The only file that knows smtp-server. The library keeps the connections it is given, their timeouts and
 * their end; it does not listen. The session is ours (session.ts, parser.ts), because the library's own
 * answers fail open: a result it does not know becomes 250, repeated RCPTs lose their replies, and enhanced
 * codes are guessed. Relies on the internals of smtp-server 3.21.6; test/wire and test/e2e/patience.test.ts
 * fail if another version behaves differently.
 */
import type { Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { within } from '../core/deadline.ts';
import type { Why } from '../core/outcome.ts';
import { releaseMemory } from '../core/releasememory.ts';
import type { Connections } from './connections.ts';
import type { LmtpOptions } from './contract.ts';
import { ReplyBatch } from './replybatch.ts';
import { Session, type Wire } from './session.ts';

// Exim's lmtp transport reads a whole reply into 256 bytes and adds a byte to each line, so the LHLO reply
// must stay below 245 bytes. Its keywords take 100 of them.
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

  get isDraining(): boolean {
    return this.#isDraining;
  }

  override connect(socket: Socket): void {
    const options = this.#lmtpOptions;
    const connection = new LmtpConnection(this, socket, options);
    connection.on('error', (error) => options.fault('lmtp connection', error));
    if (this.#isDraining) return connection.turnAway('shuttingDown');
    const refusal = this.#connections.admit(connection, socket, options);
    if (refusal !== undefined) return this.#turnAway(connection, socket, refusal);
    this.connections.add(connection);
    const over = connection.greet();
    this.#living.add(over);
    over.then(() => this.#living.delete(over));
  }

  /**
   * Refuses a connection with a reply. If too many refused clients have not closed their side yet, it is
   * cut off instead: a refusal must not cost a descriptor for long.
   */
  #turnAway(connection: LmtpConnection, socket: Socket, why: Why): void {
    connection.turnAway(why);
    if (this.#refused.size >= this.#lmtpOptions.maxConnections) socket.destroy();
    this.#refused.add(socket);
    socket.once('close', () => this.#refused.delete(socket));
  }

  /**
   * Stops the server: tells idle sessions and new ones 421, lets deliveries finish, and cuts
   * off those that are left after `graceMs`. Also waits for the deliveries of clients that have already
   * gone, since the end of the process would leave their files in tmp/.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    const { open } = this.#connections;
    for (const connection of [...open]) connection.retire('shuttingDown');
    const over = Promise.all(this.#living);
    if ((await within(over, graceMs)) !== 'late') return;
    for (const connection of [...open]) connection.cut();
    for (const socket of this.#refused) socket.destroy();
    await within(over, CLEANUP_MS);
  }
}

export class LmtpConnection extends SMTPConnection {
  readonly #options: LmtpOptions;
  readonly #session: Session;
  readonly #batch: ReplyBatch;
  #ended: () => void = () => {};
  #unsent = ''; // replies that go out at the end of this turn

  constructor(server: LmtpServer, socket: Socket, options: LmtpOptions) {
    super(server, socket);
    this.#options = options;
    this.#batch = server.replies;
    this.#session = new Session(this.#wire(server), options);
  }

  #wire(server: LmtpServer): Wire {
    const connection = this;
    return {
      name: this.name,
      remoteAddress: this.remoteAddress,
      get isDraining() {
        return server.isDraining;
      },
      get isClosed() {
        return connection._parser === false || connection._parser.isClosed;
      },
      send: (code, text, enhanced) => this.send(code, text, enhanced),
      close: () => this.close(),
      whenWritable: (next) => this._whenWritable(next),
    };
  }

  /**
   * Greets the client at once: the library would wait 100 ms for clients that talk too early, which is
   * against spammers, and our clients are MTAs. Resolves when the connection has closed and everything it
   * began has ended.
   */
  greet(): Promise<void> {
    this._setListeners(() => this.connectionReady());
    this.#session.begin();
    return new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  turnAway(why: Why): void {
    this._setListeners(() => this.#session.say(why));
  }

  retire(why: Why): void {
    this.#session.retire(why);
  }

  cut(): void {
    this.#sendReplies();
    this._socket.destroy();
  }

  /** Is called by the library's constructor, before our own fields exist: only callbacks may look at them. */
  override _createParser(): SMTPStream {
    const stream = new SMTPStream();
    stream._write = (chunk: Buffer, _encoding, done) => {
      this.#session.take(chunk).then(
        () => {
          releaseMemory(chunk); // the socket made it for us, and what is kept of it was copied
          done();
        },
        (error) => done(error),
      );
    };
    stream.on('error', (error) => {
      this.#options.fault('session', error); // a bug of ours ends one session, not the process
      this.#session.say('internal');
      this.cut();
    });
    // the client has closed its side, and everything it sent has been dealt with
    stream.on('finish', () => this.close());
    return stream;
  }

  /**
   * Never dispatches, since the library's commands fail open. Its parser would call this, but is replaced.
   */
  override _onCommand(): void {
    this.cut();
  }

  override _onTimeout(): void {
    if (this.#session.isBusy && !this._closing) this._armTimeout();
    else if (this._closing) super._onTimeout();
    else this.#session.say('idle');
  }

  override _onClose(): void {
    super._onClose();
    this.#session.end().then(this.#ended);
  }

  /** Queues a reply for the end of this turn. 421 also closes the session (RFC 5321 §3.8). */
  override send(code: number, text?: string | string[] | null, enhanced?: string | false): void {
    const lines = Array.isArray(text) ? text : [text ?? ''];
    const prefix = typeof enhanced === 'string' ? `${enhanced} ` : '';
    const last = lines.length - 1;
    const reply = lines
      .map((line, index) => `${code}${index < last ? '-' : ' '}${prefix}${line}\r\n`)
      .join('');
    if (this.#unsent === '') this.#batch.add(() => this.#sendReplies());
    this.#unsent += reply;
    if (code === 421) this.close();
  }

  override close(): void {
    this.#sendReplies();
    super.close();
  }

  #sendReplies(): void {
    const replies = this.#unsent;
    this.#unsent = '';
    // also where the client has closed its side: it may still read
    if (replies !== '' && this._socket.writable) this._socket.write(replies);
  }
}
