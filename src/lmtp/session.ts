/**
 * One LMTP session (RFC 2033): which command may come when, what it does, and what is answered. Takes the
 * bytes of the client through its own parser. Every reply comes from core/outcome.ts, except the three that
 * answer no request: greeting, LHLO and 354. Knows no socket: `Wire` is all it needs of one. The calls it
 * makes to a delivery, and their order, are written down in contract.ts.
 */
import { type Reply, replyOf, type Why } from '../core/outcome.ts';
import type { TlsFacts } from '../core/tls.ts';
import { ClientClock } from './clientclock.ts';
import type { LmtpOptions, LmtpTransaction } from './contract.ts';
import { argumentOf, SessionParser } from './parser.ts';
import { Reception } from './reception.ts';

export interface Wire {
  /** The name we announce. */
  readonly name: string;
  /** '' on a Unix socket. */
  readonly remoteAddress: string;
  /** What was agreed on, once the connection is encrypted. */
  readonly tls: TlsFacts | undefined;
  /** The connection is closed or closing: nothing more is read. */
  readonly isClosed: boolean;
  /** Sends one reply in one write; 421 also closes. `false`: without an enhanced status code. */
  send(code: number, text: string | string[], enhanced: string | false): void;
  close(): void;
  /**
   * Secures the connection. This session is over then: what it knows, and what the client has sent in clear
   * after STARTTLS, is forgotten, and another one begins (RFC 3207 §4.2). False if that cannot be.
   */
  startTls(): boolean;
  /** Calls `next` when the replies so far have gone out: a client that reads no replies is not read from. */
  whenWritable(next: () => void): void;
}

/** Unknown commands and over-long lines in a session: a client that speaks another protocol never stops. */
const MAX_ERRORS = 10;
/** For a message to begin in a session that is to end: else a client with one address would put it off. */
const LAST_MS = 2000;

export class Session {
  readonly #wire: Wire;
  readonly #options: LmtpOptions;
  readonly #parser: SessionParser;
  readonly #clock: ClientClock;
  #transaction: LmtpTransaction | undefined;
  #clientName = '';
  #reception: Reception | undefined; // between 354 and the last reply
  #retired: Why | undefined; // the session closes with this reply once no message is being received
  #hasServed = false; // a message
  #errors = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(wire: Wire, options: LmtpOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#clock = new ClientClock(options.world, (why) => this.say(why));
    this.#parser = new SessionParser({
      get isClosed() {
        return wire.isClosed;
      },
      command: (line, done) => this.#command(line, () => wire.whenWritable(done)),
      lineTooLong: (done) => this.#mistake('lineTooLong', () => wire.whenWritable(done)),
    });
  }

  /** Starts to wait for the client, which is being greeted. */
  begin(): void {
    this.#clock.expect(this.#options.idleMs, 'idle');
    if (this.#retired !== undefined) return;
    this.#timer = setTimeout(() => this.retire('sessionTooLong'), this.#options.sessionMs);
  }

  /** Takes bytes of the client. Settles when they have been dealt with, and must not be called before. */
  take(chunk: Buffer): Promise<void> {
    return this.#parser.take(chunk);
  }

  /** The client waits for us. */
  get isBusy(): boolean {
    return this.#clock.isPaused;
  }

  /** Closes the session: at once if it is only kept, else after its message, which has to begin soon. */
  retire(why: Why): void {
    this.#retired = why;
    if (this.#hasServed && this.#transaction === undefined) return this.say(why);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#reception === undefined) this.say(why);
    }, LAST_MS);
  }

  /** Ends everything the session has begun, after its connection has closed. Resolves when that is done. */
  async end(): Promise<void> {
    const reception = this.#reception;
    clearTimeout(this.#timer);
    this.#clock.stop();
    await Promise.allSettled([this.#forget(), reception?.stop()]);
  }

  say(why: Why): void {
    this.#sayReply(replyOf(why));
  }

  /** Answers a line, given without its line end. Calls `next` after that, unless the session has ended. */
  #command(line: Buffer, next: () => void): void {
    this.#clock.expect(this.#options.idleMs, 'idle');
    const text = line.toString('latin1');
    const verb = /^(?:[A-Za-z]{4}|STARTTLS)(?= |$)/i.exec(text)?.[0].toUpperCase();
    const isMail = verb === 'MAIL' || verb === 'RCPT' || verb === 'DATA';
    if (isMail && this.#clientName === '') return this.#sayThen('needLhlo', next);
    switch (verb) {
      case 'LHLO':
        return this.#lhlo(text, next);
      case 'HELO':
      case 'EHLO':
        return this.#sayThen('useLhlo', next); // RFC 2033 §4.1
      case 'MAIL':
        return this.#answer(() => this.#mail(line), next);
      case 'RCPT':
        return this.#answer(() => this.#rcpt(line), next);
      case 'DATA':
        return this.#data(text, next);
      case 'STARTTLS':
        return this.#startTls(text, next);
      case 'RSET':
        this.#forget();
        return this.#sayThen('ok', next);
      case 'NOOP':
        return this.#sayThen('ok', next);
      case 'VRFY':
        return this.#sayThen('notVerified', next);
      case 'QUIT':
        this.say('bye');
        return this.#wire.close();
      default:
        // a web page can make a browser talk to us: that ends at its first line
        if (/ HTTP\/\d\.\d$/.test(text)) this.#errors = MAX_ERRORS;
        return this.#mistake('unknownCommand', next);
    }
  }

  #lhlo(text: string, next: () => void): void {
    const [, name] = /^\S+ +(\S{1,255}) *$/.exec(text) ?? [];
    if (name === undefined) return this.#sayThen('badSyntax', next);
    this.#clientName = name;
    this.#forget(); // RFC 5321 §4.1.4: as if RSET
    const size = `SIZE ${this.#options.maxMessageBytes}`;
    const lines = [this.#wire.name, 'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', size];
    if (this.#hasStartTls && this.#wire.tls === undefined) lines.push('STARTTLS');
    this.#wire.send(250, lines, false);
    next();
  }

  /** No TLS on Unix sockets: nobody listens between their ends. */
  get #hasStartTls(): boolean {
    return this.#options.tls !== undefined && this.#wire.remoteAddress !== '';
  }

  /** RFC 3207. Nothing that follows in clear is looked at: `next` is called only where TLS does not begin. */
  #startTls(text: string, next: () => void): void {
    if (!this.#hasStartTls) return this.#mistake('unknownCommand', next);
    if (!/^\S+ *$/.test(text)) return this.#sayThen('badSyntax', next);
    if (this.#wire.tls !== undefined) return this.#sayThen('tlsActive', next);
    if (!this.#wire.startTls()) this.#sayThen('tlsUnavailable', next);
  }

  async #mail(line: Buffer): Promise<Reply> {
    if (this.#transaction !== undefined) return replyOf('nestedMail');
    const rest = argumentOf(line, 'MAIL FROM:');
    if (rest === undefined) return replyOf('badSender');
    const { remoteAddress, tls } = this.#wire;
    if (this.#options.requiresTls && tls === undefined && remoteAddress !== '') return replyOf('needTls');
    if (tls?.distrust !== undefined) return replyOf('clientNotTrusted');
    const address = remoteAddress === '' ? undefined : remoteAddress;
    const begun = this.#options.begin(rest, { name: this.#clientName, address, tls });
    if ('why' in begun) return replyOf(begun.why);
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
    if (!/^\S+ *$/.test(text)) return this.#sayThen('badSyntax', next);
    if (transaction === undefined) return this.#sayThen('needMail', next);
    if (!transaction.announce()) return this.#sayThen('needRecipient', next); // RFC 2033 §4.2
    this.#reception = new Reception({
      transaction,
      clock: this.#clock,
      options: this.#options,
      send: (reply) => this.#sayReply(reply),
      over: () => this.#received(),
    });
    this.#reception.begin();
    this.#parser.startData(this.#reception);
    this.#wire.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    next();
  }

  #received(): void {
    this.#transaction = undefined;
    this.#reception = undefined;
    this.#hasServed = true;
    this.#errors = 0;
    this.#clock.expect(this.#options.idleMs, 'idle');
    if (this.#retired !== undefined) this.say(this.#retired);
  }

  async #forget(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#reception = undefined;
    await transaction?.abort().catch((error: unknown) => this.#options.fault('abort', error));
  }

  #answer(work: () => Promise<Reply>, next: () => void): void {
    this.#clock
      .pause(work)
      .catch((error: unknown) => {
        this.#options.fault('command', error);
        return replyOf('internal');
      })
      .then((reply) => {
        this.#sayReply(reply);
        next();
      });
  }

  /** Answers a line that is no command. Too many of them end the session. */
  #mistake(why: Why, next: () => void): void {
    if (++this.#errors >= MAX_ERRORS) return this.say('tooManyErrors');
    this.#sayThen(why, next);
  }

  #sayThen(why: Why, next: () => void): void {
    this.say(why);
    next();
  }

  #sayReply(reply: Reply): void {
    this.#wire.send(reply.code, reply.text, reply.enhanced);
  }
}
