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
import { type Reply, replyOf, type Why } from '../core/outcome.ts';
import type { LmtpOptions, LmtpTransaction } from './dialogue.ts';
import { SessionParser } from './parser.ts';

// Exim's lmtp transport reads a whole reply into 256 bytes, so the LHLO reply must stay below
// 245 with one byte per line added; the keywords take 100 of them.
const MAX_ANNOUNCED_HOST = 120;

export class LmtpServer extends SMTPServer {
  readonly #own: LmtpOptions;
  readonly #open: Set<LmtpConnection>;
  readonly #refused = new Set<Socket>();
  #draining = false;

  /** `open` counts connections; servers that share it share the limit. */
  constructor(own: LmtpOptions, open: Set<LmtpConnection>) {
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
    this.#open = open;
    this.on('error', (error) => own.fault('lmtp connection', error));
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  override connect(socket: Socket): void {
    const connection = new LmtpConnection(this, socket, this.#own);
    connection.on('error', (error) => this.#own.fault('lmtp connection', error));
    if (this.#draining) return connection.turnAway('shuttingDown');
    if (this.#open.size >= this.#own.maxConnections) return this.#turnAway(connection, socket);
    this.connections.add(connection);
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
    connection.greet();
  }

  /** With a reply, but where too many wait for theirs to be read without one: a refusal must not cost a descriptor for long. */
  #turnAway(connection: LmtpConnection, socket: Socket): void {
    connection.turnAway('tooManyConnections');
    if (this.#refused.size >= this.#own.maxConnections) socket.destroy();
    this.#refused.add(socket);
    socket.once('close', () => this.#refused.delete(socket));
  }

  /** Accepts no more, tells idle sessions 421, lets deliveries finish; cuts what is left after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of [...this.#open]) connection.retire('shuttingDown');
    const timer = setTimeout(() => {
      for (const connection of [...this.#open]) connection.cut();
    }, graceMs);
    await closed;
    clearTimeout(timer);
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
  #busy = 0; // the client waits for us
  #errors = 0;
  #sessionTimer: NodeJS.Timeout | undefined;
  #dataTimer: NodeJS.Timeout | undefined;

  constructor(server: LmtpServer, socket: Socket, own: LmtpOptions) {
    super(server, socket);
    this.#lmtp = server;
    this.#own = own;
  }

  /** At once: the library's 100 ms wait for early talkers is against spammers, and a client of ours is an MTA. */
  greet(): void {
    this._setListeners(() => this.connectionReady());
    this.#sessionTimer = setTimeout(() => this.retire('sessionTooLong'), this.#own.sessionMs);
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
      write: (pieces) => this.#whileBusy(() => transaction.write(pieces)),
      end: () => this.#whileBusy(() => this.#finish(transaction)),
    });
    this.#dataTimer = setTimeout(() => this.#send('dataTooSlow'), this.#own.dataMs);
    this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    next();
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
    if (this.#retired !== undefined) this.#send(this.#retired);
  }

  override _onTimeout(): void {
    if (this.#busy > 0 && !this._closing) this._armTimeout();
    else if (this._closing) super._onTimeout();
    else this.#send('idle');
  }

  override _onClose(): void {
    clearTimeout(this.#sessionTimer);
    clearTimeout(this.#dataTimer);
    super._onClose();
    this.#forget();
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

  #forget(): void {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#receiving = false;
    transaction?.abort().catch((error: unknown) => this.#own.fault('abort', error));
  }

  #answer(work: () => Promise<Reply>, next: () => void): void {
    this.#busy++; // a look-up may take longer than a client may be idle
    work()
      .finally(() => this.#busy--)
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

  async #whileBusy(work: () => Promise<void>): Promise<void> {
    this.#busy++;
    await work().finally(() => this.#busy--);
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
