/**
 * One LMTP session (RFC 2033): which command may come when, what it does, and what is answered.
 * Every reply is out of core/outcome.ts but the three that are no answer to anything: greeting,
 * LHLO, 354. Knows no socket: `Wire` is what it needs of one.
 */
import { type Reply, replyOf, type Why } from '../core/outcome.ts';
import { Patience } from './clientclock.ts';
import type { LmtpOptions, LmtpTransaction } from './contract.ts';
import type { DataSink } from './parser.ts';

export interface Wire {
  /** The name we announce. */
  readonly name: string;
  /** '' on a Unix socket. */
  readonly remoteAddress: string;
  /** No more commands are taken. */
  readonly isDraining: boolean;
  /** One reply in one write; 421 closes. `false`: without an enhanced status code. */
  send(code: number, text: string | string[], enhanced: string | false): void;
  close(): void;
  /** What follows is a message. */
  startData(sink: DataSink): void;
  /** Calls when the replies so far have gone out: a client that does not read them is not read from either. */
  whenWritable(next: () => void): void;
}

// the piece of a message that has to arrive within lmtp.block_timeout
const BLOCK_BYTES = 64 * 1024;
/** Unknown commands and over-long lines a session may send: a client that speaks something else goes on for ever. */
const MAX_ERRORS = 10;

export class Session {
  readonly #wire: Wire;
  readonly #own: LmtpOptions;
  readonly #patience: Patience;
  #transaction: LmtpTransaction | undefined;
  #clientName = '';
  #receiving = false; // between 354 and the last reply
  #retired: Why | undefined; // closes with this as soon as nothing is being received
  #blockBytes = 0; // of the block that is arriving
  #errors = 0;
  #sessionTimer: NodeJS.Timeout | undefined;
  #dataTimer: NodeJS.Timeout | undefined;
  #finished: Promise<void> | undefined; // the answers to the last message

  constructor(wire: Wire, own: LmtpOptions) {
    this.#wire = wire;
    this.#own = own;
    this.#patience = new Patience(own.world, (why) => this.say(why));
  }

  /** The client has been greeted: from now on it is waited for. */
  begin(): void {
    this.#patience.expect(this.#own.idleMs, 'idle');
    this.#sessionTimer = setTimeout(() => this.retire('sessionTooLong'), this.#own.sessionMs);
  }

  /** The client waits for us. */
  get isBusy(): boolean {
    return this.#patience.isHeld;
  }

  /** Closes the session, if something is being received after its replies. */
  retire(why: Why): void {
    this.#retired = why;
    if (!this.#receiving) this.say(why);
  }

  /** The connection has closed; resolves when all the session began has ended. */
  async end(): Promise<void> {
    clearTimeout(this.#sessionTimer);
    clearTimeout(this.#dataTimer);
    this.#patience.stop();
    await Promise.allSettled([this.#forget(), this.#finished]);
  }

  say(why: Why): void {
    this.#sayReply(replyOf(why));
  }

  /** A line without its end; `done` when answered, never called when the session is over. */
  command(line: Buffer, done: () => void): void {
    this.#patience.expect(this.#own.idleMs, 'idle');
    const next = () => this.#wire.whenWritable(done);
    const text = line.toString('latin1');
    const verb = /^[A-Za-z]{4}(?= |$)/.exec(text)?.[0].toUpperCase();
    if (this.#wire.isDraining) return this.say('shuttingDown');
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
        // a web page that makes a browser talk to us gets nowhere
        if (/ HTTP\/\d\.\d$/.test(text)) this.#errors = MAX_ERRORS;
        return this.#mistake('unknownCommand', next);
    }
  }

  /** `done` as with a command. */
  lineTooLong(done: () => void): void {
    this.#mistake('lineTooLong', () => this.#wire.whenWritable(done));
  }

  #lhlo(text: string, next: () => void): void {
    const [, name] = /^\S+ +(\S{1,255}) *$/.exec(text) ?? [];
    if (name === undefined) return this.#sayThen('badSyntax', next);
    this.#clientName = name;
    this.#forget();
    const size = `SIZE ${this.#own.maxMessageBytes}`;
    const lines = [this.#wire.name, 'PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', size];
    this.#wire.send(250, lines, false);
    next();
  }

  async #mail(line: Buffer): Promise<Reply> {
    if (this.#transaction !== undefined) return replyOf('nestedMail');
    const rest = argumentOf(line, 'MAIL FROM:');
    if (rest === undefined) return replyOf('badSender');
    const { remoteAddress } = this.#wire;
    const address = remoteAddress === '' ? undefined : remoteAddress;
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
    if (!/^\S+ *$/.test(text)) return this.#sayThen('badSyntax', next);
    if (transaction === undefined) return this.#sayThen('needMail', next);
    // RFC 2033 §4.2
    if (transaction.recipientCount === 0) return this.#sayThen('needRecipient', next);
    this.#receiving = true;
    transaction.start();
    this.#wire.startData({
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
    this.#dataTimer = setTimeout(() => this.say('dataTooSlow'), this.#own.dataMs);
    this.#wire.send(354, 'End data with <CR><LF>.<CR><LF>', false);
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
      for await (const reply of transaction.finish()) if (owed-- > 0) this.#sayReply(reply);
    } catch (error) {
      this.#own.fault('delivery', error);
    }
    while (owed-- > 0) this.say('internal');
    this.#receiving = false;
    this.#transaction = undefined;
    this.#errors = 0;
    this.#patience.expect(this.#own.idleMs, 'idle');
    if (this.#retired !== undefined) this.say(this.#retired);
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
        this.#sayReply(reply);
        next();
      });
  }

  /** Answers what is no command; too many of them end the session. */
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

/** What follows `MAIL FROM:` or `RCPT TO:`, or undefined when it is something else. */
function argumentOf(line: Buffer, prefix: string): Buffer | undefined {
  const head = line.toString('latin1', 0, prefix.length).toUpperCase();
  return head === prefix ? line.subarray(prefix.length) : undefined;
}
