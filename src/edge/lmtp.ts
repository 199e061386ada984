/**
 * LMTP (RFC 2033) on smtp-server, and the only file that knows it. The library keeps the
 * sockets and their end; dispatch and every reply are ours, since its own answers fail open:
 * unknown results become 250, duplicate RCPTs lose replies, enhanced codes are guessed.
 * Pinned at smtp-server 3.21.6 by the dialogues of test/wire and by test/e2e/patience.test.ts.
 */
import type { Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { within } from '../core/deadline.ts';
import { type Reply, replyOf, type Why } from '../core/outcome.ts';
import type { Connections } from './connections.ts';
import type { LmtpOptions, LmtpTransaction } from './dialogue.ts';
import { SessionParser } from './parser.ts';
import { Patience } from './patience.ts';

// Exim's lmtp transport reads a whole reply into 256 bytes, so the LHLO reply must stay below
// 245 with one byte per line added; the keywords take 100 of them.
const MAX_ANNOUNCED_HOST = 120;
// the piece of a message that has to arrive within lmtp.block_timeout
const BLOCK_BYTES = 64 * 1024;
/** What is cut off gets this long to remove its files. */
const CLEANUP_MS = 4000;

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

/** Unknown commands and over-long lines a session may send: a client that speaks something else goes on for ever. */
const MAX_ERRORS = 10;

export class LmtpConnection extends SMTPConnection {
  readonly #own: LmtpOptions;
  readonly #lmtp: LmtpServer;
  #session: SessionParser | undefined;
  #transaction: LmtpTransaction | undefined;
  #clientName = '';
  #receiving = false; // between 354 and the last reply
  #retired: Why | undefined; // closes with this as soon as nothing is being received
  readonly #patience: Patience;
  #blockBytes = 0; // of the block that is arriving
  #errors = 0;
  #sessionTimer: NodeJS.Timeout | undefined;
  #dataTimer: NodeJS.Timeout | undefined;
  #finished: Promise<void> | undefined; // the answers to the last message
  #end: () => void = () => {};

  constructor(server: LmtpServer, socket: Socket, own: LmtpOptions) {
    super(server, socket);
    this.#lmtp = server;
    this.#own = own;
    this.#patience = new Patience(own.world, (why) => this.#send(why));
  }

  /**
   * At once: the library's 100 ms wait for early talkers is against spammers, and a client of ours
   * is an MTA. Resolves when the connection has closed and all it began has ended.
   */
  greet(): Promise<void> {
    this._setListeners(() => this.connectionReady());
    this.#patience.expect(this.#own.idleMs, 'idle');
    this.#sessionTimer = setTimeout(() => this.retire('sessionTooLong'), this.#own.sessionMs);
    return new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  turnAway(why: Why): void {
    this._setListeners(() => this.#send(why));
  }

  /** Called by the library's constructor, so only what happens later may look at our own fields. */
  override _createParser(): SMTPStream {
    const parser = new SMTPStream();
    const session = new SessionParser({
      get isClosed() {
        return parser.isClosed;
      },
      command: (line, done) => this._onCommand(line, done),
      lineTooLong: (done) => this.#mistake('lineTooLong', () => this._whenWritable(done)),
    });
    parser._write = (chunk: Buffer, _encoding, done) => {
      this.#session = session;
      session.take(chunk).then(
        () => done(),
        (error) => done(error),
      );
    };
    parser.on('error', (error) => {
      this.#own.fault('session', error); // a bug of ours ends one session, not the process
      this.#send('internal');
      this.cut();
    });
    // the client has closed its side and everything it sent has been dealt with
    parser.on('finish', () => this.close());
    return parser;
  }

  /** The library's dispatch is not used: a command is ours or it is unknown. */
  override _onCommand(line: Buffer, done: () => void = () => {}): void {
    this.#patience.expect(this.#own.idleMs, 'idle');
    // a client that does not read its replies is not read from either
    const next = () => this._whenWritable(done);
    const text = line.toString('latin1');
    const verb = /^[A-Za-z]{4}(?= |$)/.exec(text)?.[0].toUpperCase();
    if (this.#lmtp.isDraining) return this.#send('shuttingDown');
    const isMail = verb === 'MAIL' || verb === 'RCPT' || verb === 'DATA';
    if (isMail && this.#clientName === '') return this.#sendThen('needLhlo', next);
    switch (verb) {
      case 'LHLO':
        return this.#lhlo(text, next);
      case 'HELO':
      case 'EHLO':
        return this.#sendThen('useLhlo', next); // RFC 2033 §4.1
      case 'MAIL':
        return this.#answer(() => this.#mail(line), next);
      case 'RCPT':
        return this.#answer(() => this.#rcpt(line), next);
      case 'DATA':
        return this.#data(text, next);
      case 'RSET':
        this.#forget();
        return this.#sendThen('ok', next);
      case 'NOOP':
        return this.#sendThen('ok', next);
      case 'VRFY':
        return this.#sendThen('notVerified', next);
      case 'QUIT':
        this.#send('bye');
        return this.close();
      default:
        // a web page that makes a browser talk to us gets nowhere
        if (/ HTTP\/\d\.\d$/.test(text)) this.#errors = MAX_ERRORS;
        return this.#mistake('unknownCommand', next);
    }
  }

  #lhlo(text: string, next: () => void): void {
    const [, name] = /^\S+ +(\S{1,255}) *$/.exec(text) ?? [];
    if (name === undefined) return this.#sendThen('badSyntax', next);
    this.#clientName = name;
    this.#forget();
    const size = `SIZE ${this.#own.maxMessageBytes}`;
    this.send(250, [this.name, 'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', size], false);
    next();
  }

  async #mail(line: Buffer): Promise<Reply> {
    if (this.#transaction !== undefined) return replyOf('nestedMail');
    const rest = argumentOf(line, 'MAIL FROM:');
    if (rest === undefined) return replyOf('badSender');
    const address = this.remoteAddress === '' ? undefined : this.remoteAddress;
    const begun = this.#own.begin(rest, { name: this.#clientName, address });
    if (typeof begun === 'string') return replyOf(begun);
    this.#transaction = begun;
    return replyOf('senderOk');
  }

  async #rcpt(line: Buffer): Promise<Reply> {
    if (this.#transaction === undefined) return replyOf('needMail');
    const rest = argumentOf(line, 'RCPT TO:');
    return rest === undefined ? replyOf('badRecipient') : this.#transaction.recipient(rest);
  }

  #data(text: string, next: () => void): void {
    const transaction = this.#transaction;
    if (!/^\S+ *$/.test(text)) return this.#sendThen('badSyntax', next);
    if (transaction === undefined) return this.#sendThen('needMail', next);
    // RFC 2033 §4.2
    if (transaction.recipientCount === 0) return this.#sendThen('needRecipient', next);
    this.#receiving = true;
    transaction.start();
    this.#session?.startData({
      write: (pieces) => {
        this.#count(pieces);
        return this.#patience.hold(() => transaction.write(pieces));
      },
      end: () => {
        this.#finished = this.#patience.hold(() => this.#finish(transaction));
        return this.#finished;
      },
    });
    this.#expectBlock();
    this.#dataTimer = setTimeout(() => this.#send('dataTooSlow'), this.#own.dataMs);
    this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    next();
  }

  #count(pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.#blockBytes += piece.length;
    if (this.#blockBytes >= BLOCK_BYTES) this.#expectBlock();
  }

  #expectBlock(): void {
    this.#blockBytes = 0;
    this.#patience.expect(this.#own.blockMs, 'dataTooSlow');
  }

  /** One reply per accepted RCPT, whatever happens (RFC 2033 §4.2). */
  async #finish(transaction: LmtpTransaction): Promise<void> {
    clearTimeout(this.#dataTimer);
    let owed = transaction.recipientCount;
    try {
      for await (const reply of transaction.finish()) if (owed-- > 0) this.#sendReply(reply);
    } catch (error) {
      this.#own.fault('delivery', error);
    }
    while (owed-- > 0) this.#send('internal');
    this.#receiving = false;
    this.#transaction = undefined;
    this.#errors = 0;
    this.#patience.expect(this.#own.idleMs, 'idle');
    if (this.#retired !== undefined) this.#send(this.#retired);
  }

  override _onTimeout(): void {
    if (this.#patience.isHeld && !this._closing) this._armTimeout();
    else if (this._closing) super._onTimeout();
    else this.#send('idle');
  }

  override _onClose(): void {
    clearTimeout(this.#sessionTimer);
    clearTimeout(this.#dataTimer);
    this.#patience.stop();
    super._onClose();
    Promise.allSettled([this.#forget(), this.#finished]).then(this.#end);
  }

  /** Closes the session, if something is being received after its replies. */
  retire(why: Why): void {
    this.#retired = why;
    if (!this.#receiving) this.#send(why);
  }

  cut(): void {
    this._socket.destroy();
  }

  /** A reply in one write. 421 closes the session (RFC 5321 §3.8). */
  override send(code: number, text?: string | string[] | null, enhanced?: string | false): void {
    const lines = Array.isArray(text) ? text : [text ?? ''];
    const prefix = typeof enhanced === 'string' ? `${enhanced} ` : '';
    const last = lines.length - 1;
    const reply = lines
      .map((line, index) => `${code}${index < last ? '-' : ' '}${prefix}${line}\r\n`)
      .join('');
    // also where the client has closed its side: it may still read
    if (this._socket.writable) this._socket.write(reply);
    if (code === 421) this.close();
  }

  async #forget(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#receiving = false;
    await transaction?.abort().catch((error: unknown) => this.#own.fault('abort', error));
  }

  #answer(work: () => Promise<Reply>, next: () => void): void {
    this.#patience
      .hold(work)
      .catch((error: unknown) => {
        this.#own.fault('command', error);
        return replyOf('internal');
      })
      .then((reply) => {
        this.#sendReply(reply);
        next();
      });
  }

  /** Answers what is no command; too many of them end the session. */
  #mistake(why: Why, next: () => void): void {
    if (++this.#errors >= MAX_ERRORS) return this.#send('tooManyErrors');
    this.#sendThen(why, next);
  }

  #sendThen(why: Why, next: () => void): void {
    this.#send(why);
    next();
  }

  #send(why: Why): void {
    this.#sendReply(replyOf(why));
  }

  #sendReply(reply: Reply): void {
    this.send(reply.code, reply.text, reply.enhanced);
  }
}

/** What follows `MAIL FROM:` or `RCPT TO:`, or undefined when it is something else. */
function argumentOf(line: Buffer, prefix: string): Buffer | undefined {
  const head = line.toString('latin1', 0, prefix.length).toUpperCase();
  return head === prefix ? line.subarray(prefix.length) : undefined;
}
