/**
 * LMTP (RFC 2033) on smtp-server, and the only file that knows it. The library keeps the
 * sockets, the dispatch and the timeouts; everything a reply depends on is ours, since its
 * own answers fail open: unknown results become 250, duplicate RCPTs lose replies, enhanced
 * codes are guessed. Pinned at smtp-server 3.21.6 by test/wire and test/edge/lmtp.test.ts.
 */
import type { Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { type Reply, replyOf, type Why } from '../core/outcome.ts';
import { SessionParser } from './parser.ts';

export interface LmtpClient {
  /** Name given in LHLO. */
  readonly name: string;
  /** IP address, or undefined on a Unix socket. */
  readonly address: string | undefined;
}

/** One mail transaction; delivery/transaction.ts is one. */
export interface LmtpTransaction {
  /** Everything after `RCPT TO:`. */
  recipient(rest: Buffer): Promise<Reply>;
  /** RCPTs answered 250: each gets one reply after DATA. */
  readonly recipientCount: number;
  start(): void;
  write(pieces: readonly Buffer[]): Promise<void>;
  finish(): AsyncIterable<Reply>;
  abort(): Promise<void>;
}

export interface LmtpOptions {
  /** Name in the greeting and in the LHLO reply. */
  readonly host: string;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  readonly idleMs: number;
  /** MAIL: everything after `MAIL FROM:` -> a transaction, or why not. */
  begin(rest: Buffer, client: LmtpClient): LmtpTransaction | Why;
  fault(what: string, error: unknown): void;
}

// Exim's lmtp transport reads a whole reply into 256 bytes, so the LHLO reply must stay below
// 245 with one byte per line added; the keywords take 100 of them.
const MAX_ANNOUNCED_HOST = 120;

export class LmtpServer extends SMTPServer {
  readonly #own: LmtpOptions;
  readonly #open: Set<LmtpConnection>;
  #draining = false;

  /** `open` counts connections; servers that share it share the limit. */
  constructor(own: LmtpOptions, open: Set<LmtpConnection>) {
    super({
      lmtp: true,
      name: own.host.slice(0, MAX_ANNOUNCED_HOST),
      logger: false,
      authOptional: true,
      hideSTARTTLS: true,
      hideENHANCEDSTATUSCODES: false,
      disableReverseLookup: true,
      socketTimeout: own.idleMs,
      disabledCommands: ['AUTH', 'STARTTLS', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL', 'HELP'],
      onConnect: (_session, callback) => callback(),
    });
    this.#own = own;
    this.#open = open;
    this.on('error', (error) => own.fault('lmtp connection', error));
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  override connect(socket: Socket): void {
    const connection = new LmtpConnection(this, socket, this.#own);
    this.connections.add(connection);
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
    connection.on('error', (error) => this.#own.fault('lmtp connection', error));
    connection.greet(this.#open.size > this.#own.maxConnections);
  }

  /** Accepts no more, tells idle sessions 421, lets deliveries finish; cuts what is left after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of [...this.#open]) connection.retire();
    const timer = setTimeout(() => {
      for (const connection of [...this.#open]) connection.cut();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }
}

export class LmtpConnection extends SMTPConnection {
  readonly #own: LmtpOptions;
  readonly #lmtp: LmtpServer;
  #session: SessionParser | undefined;
  #transaction: LmtpTransaction | undefined;
  #clientName = '';
  #receiving = false; // between 354 and the last reply
  #busy = 0; // the client waits for us

  constructor(server: LmtpServer, socket: Socket, own: LmtpOptions) {
    super(server, socket);
    this.#lmtp = server;
    this.#own = own;
  }

  /** At once: the library's 100 ms wait for early talkers is against spammers, and a client of ours is an MTA. */
  greet(isTooMany: boolean): void {
    this._setListeners(() => {
      if (isTooMany) this.#send(replyOf('tooManyConnections'));
      else this.connectionReady();
    });
  }

  /** Called by the library's constructor, so only what happens later may look at our own fields. */
  override _createParser(): SMTPStream {
    const parser = new SMTPStream();
    const session = new SessionParser({
      get isClosed() {
        return parser.isClosed;
      },
      command: (line, done) => this._onCommand(line, done),
      lineTooLong: () => this.#send(replyOf('lineTooLong')),
    });
    parser._write = (chunk: Buffer, _encoding, done) => {
      this.#session = session;
      session.take(chunk).then(
        () => done(),
        (error) => done(error),
      );
    };
    return parser;
  }

  override _onCommand(line: Buffer, done: () => void = () => {}): void {
    const verb = /^[A-Za-z]*/.exec(line.toString('latin1', 0, 8))?.[0]?.toUpperCase();
    if (this.#lmtp.isDraining) return this.#send(replyOf('shuttingDown'));
    if (verb === 'EHLO' || verb === 'HELO') return this.#sendThen(replyOf('useLhlo'), done); // RFC 2033 §4.1
    if ((verb === 'MAIL' || verb === 'RCPT' || verb === 'DATA') && this.#clientName === '') {
      return this.#sendThen(replyOf('needLhlo'), done);
    }
    super._onCommand(line, done);
  }

  /** LHLO: the library has renamed it. */
  override handler_EHLO(line: Buffer, done: () => void): void {
    const [, name] = /^\S+ +(\S{1,255}) *$/.exec(line.toString('latin1')) ?? [];
    if (name === undefined) return this.#sendThen(replyOf('badSyntax'), done);
    this.#clientName = name;
    this.hostNameAppearsAs = name; // the library refuses MAIL without it
    this.#forget();
    const size = `SIZE ${this.#own.maxMessageBytes}`;
    this.send(250, [this.name, 'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', size], false);
    done();
  }

  override handler_RSET(_line: Buffer, done: () => void): void {
    this.#forget();
    this.send(250, 'Reset', '2.0.0');
    done();
  }

  override handler_MAIL(line: Buffer, done: () => void): void {
    this.#answer(async () => {
      if (this.#transaction !== undefined) return replyOf('nestedMail');
      const rest = argumentOf(line, 'MAIL FROM:');
      if (rest === undefined) return replyOf('badSender');
      const address = this.remoteAddress === '' ? undefined : this.remoteAddress;
      const begun = this.#own.begin(rest, { name: this.#clientName, address });
      if (typeof begun === 'string') return replyOf(begun);
      this.#transaction = begun;
      return replyOf('senderOk');
    }, done);
  }

  override handler_RCPT(line: Buffer, done: () => void): void {
    this.#answer(async () => {
      if (this.#transaction === undefined) return replyOf('needMail');
      const rest = argumentOf(line, 'RCPT TO:');
      return rest === undefined ? replyOf('badRecipient') : this.#transaction.recipient(rest);
    }, done);
  }

  override handler_DATA(line: Buffer, done: () => void): void {
    const transaction = this.#transaction;
    if (!/^\S+\s*$/.test(line.toString('latin1'))) return this.#sendThen(replyOf('badSyntax'), done);
    if (transaction === undefined) return this.#sendThen(replyOf('needMail'), done);
    // RFC 2033 §4.2
    if (transaction.recipientCount === 0) return this.#sendThen(replyOf('needRecipient'), done);
    this.#receiving = true;
    transaction.start();
    this.#session?.startData({
      write: (pieces) => this.#whileBusy(() => transaction.write(pieces)),
      end: () => this.#whileBusy(() => this.#finish(transaction)),
    });
    this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    done();
  }

  /** One reply per accepted RCPT, whatever happens (RFC 2033 §4.2). */
  async #finish(transaction: LmtpTransaction): Promise<void> {
    let owed = transaction.recipientCount;
    try {
      for await (const reply of transaction.finish()) if (owed-- > 0) this.#send(reply);
    } catch (error) {
      this.#own.fault('delivery', error);
    }
    while (owed-- > 0) this.#send(replyOf('internal'));
    this.#receiving = false;
    this.#transaction = undefined;
    this._unrecognizedCommands = 0;
    if (this.#lmtp.isDraining) this.#send(replyOf('shuttingDown'));
  }

  override _onTimeout(): void {
    if (this.#busy > 0) this._armTimeout();
    else super._onTimeout();
  }

  override _onClose(): void {
    super._onClose();
    this.#forget();
  }

  /** Closes the session if nothing is being delivered; else it is closed after its replies. */
  retire(): void {
    if (!this.#receiving) this.#send(replyOf('shuttingDown'));
  }

  cut(): void {
    this._socket.destroy();
  }

  /** The library asks by context; ours is the code itself. */
  override _getEnhancedStatusCode(code: number, context?: string | false): string {
    const isCode = typeof context === 'string' && /^[245]\.\d+\.\d+$/.test(context);
    return isCode ? context : super._getEnhancedStatusCode(code, context);
  }

  #forget(): void {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#receiving = false;
    transaction?.abort().catch((error: unknown) => this.#own.fault('abort', error));
  }

  #answer(work: () => Promise<Reply>, done: () => void): void {
    work()
      .catch((error: unknown) => {
        this.#own.fault('command', error);
        return replyOf('internal');
      })
      .then((reply) => this.#sendThen(reply, done));
  }

  async #whileBusy(work: () => Promise<void>): Promise<void> {
    this.#busy++;
    await work().finally(() => this.#busy--);
  }

  #sendThen(reply: Reply, done: () => void): void {
    this.#send(reply);
    done();
  }

  #send(reply: Reply): void {
    this.send(reply.code, reply.text, reply.enhanced);
  }
}

/** What follows `MAIL FROM:` or `RCPT TO:`, or undefined when it is something else. */
function argumentOf(line: Buffer, prefix: string): Buffer | undefined {
  const head = line.toString('latin1', 0, prefix.length).toUpperCase();
  return head === prefix ? line.subarray(prefix.length) : undefined;
}
