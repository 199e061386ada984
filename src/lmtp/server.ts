/**
 * smtp-server, and the only file that knows it. The library keeps the sockets and their end;
 * the session is ours (session.ts, parser.ts), since its own answers fail open: unknown
 * results become 250, duplicate RCPTs lose replies, enhanced codes are guessed.
 * Pinned at smtp-server 3.21.6 by the dialogues of test/wire and by test/e2e/patience.test.ts.
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
import { type DataSink, SessionParser } from './parser.ts';
import { Outbox } from './replybatch.ts';
import { Session } from './session.ts';

// Exim's lmtp transport reads a whole reply into 256 bytes, so the LHLO reply must stay below
// 245 with one byte per line added; the keywords take 100 of them.
const MAX_ANNOUNCED_HOST = 120;
/** What is cut off gets this long to remove its files. */
const CLEANUP_MS = 4000;

const outbox = new Outbox();

export class LmtpServer extends SMTPServer {
  #own: LmtpOptions;
  readonly #connections: Connections<LmtpConnection>;
  readonly #refused = new Set<Socket>();
  readonly #living = new Set<Promise<void>>(); // connections, until all they began has ended
  #draining = false;

  /** Servers that share `connections` share the limits. */
  constructor(own: LmtpOptions, connections: Connections<LmtpConnection>) {
    super({
      lmtp: true,
      name: own.host.slice(0, MAX_ANNOUNCED_HOST),
      logger: false,
      disableReverseLookup: true,
      socketTimeout: own.idleMs,
      // a client may close its side behind its last command and still wants the replies
      allowHalfOpen: true,
      onConnect: (_session, callback) => callback(),
    });
    this.#own = own;
    this.#connections = connections;
    this.on('error', (error) => own.fault('lmtp connection', error));
  }

  /** For connections from now on; a transaction begins in whatever way `begin` says then. */
  configure(own: LmtpOptions): void {
    this.#own = own;
    this.options.socketTimeout = own.idleMs;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  override connect(socket: Socket): void {
    const connection = new LmtpConnection(this, socket, this.#own);
    connection.on('error', (error) => this.#own.fault('lmtp connection', error));
    if (this.#draining) return connection.turnAway('shuttingDown');
    const refusal = this.#connections.admit(connection, socket, this.#own);
    if (refusal !== undefined) return this.#turnAway(connection, socket, refusal);
    this.connections.add(connection);
    const over = connection.greet();
    this.#living.add(over);
    over.then(() => this.#living.delete(over));
  }

  /** With a reply, but where too many wait for theirs to be read without one: a refusal must not cost a descriptor for long. */
  #turnAway(connection: LmtpConnection, socket: Socket, why: Why): void {
    connection.turnAway(why);
    if (this.#refused.size >= this.#own.maxConnections) socket.destroy();
    this.#refused.add(socket);
    socket.once('close', () => this.#refused.delete(socket));
  }

  /**
   * Accepts no more, tells idle sessions 421, lets deliveries finish; cuts off what is left after
   * `graceMs`. Who has gone is waited for too: the end of the process would leave its files in tmp/.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    const { open } = this.#connections;
    for (const connection of [...open]) connection.retire('shuttingDown');
    const over = Promise.all([closed, ...this.#living]);
    if ((await within(over, graceMs)) !== 'late') return;
    for (const connection of [...open]) connection.cut();
    for (const socket of this.#refused) socket.destroy();
    await within(over, CLEANUP_MS);
  }
}

export class LmtpConnection extends SMTPConnection {
  readonly #own: LmtpOptions;
  readonly #session: Session;
  #parser: SessionParser | undefined;
  #end: () => void = () => {};
  #unsent = ''; // replies

  constructor(server: LmtpServer, socket: Socket, own: LmtpOptions) {
    super(server, socket);
    this.#own = own;
    const connection = this;
    this.#session = new Session(
      {
        name: this.name,
        get isDraining() {
          return server.isDraining;
        },
        get remoteAddress() {
          return connection.remoteAddress;
        },
        send: (code, text, enhanced) => this.send(code, text, enhanced),
        close: () => this.close(),
        startData: (sink: DataSink) => this.#parser?.startData(sink),
        whenWritable: (next) => this._whenWritable(next),
      },
      own,
    );
  }

  /**
   * At once: the library's 100 ms wait for early talkers is against spammers, and a client of ours
   * is an MTA. Resolves when the connection has closed and all it began has ended.
   */
  greet(): Promise<void> {
    this._setListeners(() => this.connectionReady());
    this.#session.begin();
    return new Promise((resolve) => {
      this.#end = resolve;
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

  /** Called by the library's constructor, so only what happens later may look at our own fields. */
  override _createParser(): SMTPStream {
    const stream = new SMTPStream();
    const parser = new SessionParser({
      get isClosed() {
        return stream.isClosed;
      },
      command: (line, done) => this._onCommand(line, done),
      lineTooLong: (done) => this.#session.lineTooLong(done),
    });
    stream._write = (chunk: Buffer, _encoding, done) => {
      this.#parser = parser;
      parser.take(chunk).then(
        () => {
          releaseMemory(chunk); // the socket made it for us, and what is wanted of it was copied
          done();
        },
        (error) => done(error),
      );
    };
    stream.on('error', (error) => {
      this.#own.fault('session', error); // a bug of ours ends one session, not the process
      this.#session.say('internal');
      this.cut();
    });
    // the client has closed its side and everything it sent has been dealt with
    stream.on('finish', () => this.close());
    return stream;
  }

  /** The library's dispatch is not used, whoever calls. */
  override _onCommand(line: Buffer, done: () => void = () => {}): void {
    this.#session.command(line, done);
  }

  override _onTimeout(): void {
    if (this.#session.isBusy && !this._closing) this._armTimeout();
    else if (this._closing) super._onTimeout();
    else this.#session.say('idle');
  }

  override _onClose(): void {
    super._onClose();
    this.#session.end().then(this.#end);
  }

  /** 421 closes the session (RFC 5321 §3.8). */
  override send(code: number, text?: string | string[] | null, enhanced?: string | false): void {
    const lines = Array.isArray(text) ? text : [text ?? ''];
    const prefix = typeof enhanced === 'string' ? `${enhanced} ` : '';
    const last = lines.length - 1;
    const reply = lines
      .map((line, index) => `${code}${index < last ? '-' : ' '}${prefix}${line}\r\n`)
      .join('');
    if (this.#unsent === '') outbox.add(() => this.#sendReplies());
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
