/**
 * One connection: the library's, with our session in the place of its own, because the library's answers fail
 * open: a result it does not know becomes 250, repeated RCPTs lose their replies, and enhanced codes are
 * guessed. Relies on the internals of smtp-server 3.21.6; test/wire, test/e2e/patience.test.ts and
 * test/e2e/tls.test.ts fail if another version behaves differently.
 */
import type { Socket } from 'node:net';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { Why } from '../core/outcome.ts';
import { releaseMemory } from '../core/releasememory.ts';
import type { TlsFacts } from '../core/tls.ts';
import type { LmtpOptions } from './contract.ts';
import { shakeHands } from './handshake.ts';
import type { ReplyBatch } from './replybatch.ts';
import { Session, type Wire } from './session.ts';
import type { TlsTerms } from './terms.ts';

/** Of a handshake, which takes a client two round trips. */
const HANDSHAKE_MS = 30_000;

/** What a connection knows of its server. */
export interface Host extends SMTPServer {
  readonly replies: ReplyBatch;
}

export class LmtpConnection extends SMTPConnection {
  readonly #options: LmtpOptions;
  readonly #batch: ReplyBatch;
  #session: Session;
  #retired: Why | undefined;
  #past: Promise<void> | undefined; // the end of the session before STARTTLS
  #tls: TlsFacts | undefined;
  #ended: () => void = () => {};
  #unsent = ''; // replies that go out at the end of this turn

  constructor(server: Host, socket: Socket, options: LmtpOptions) {
    super(server, socket);
    this.#options = options;
    this.#batch = server.replies;
    this.#session = new Session(this.#wire(server), options);
  }

  #wire(server: Host): Wire {
    const connection = this;
    return {
      name: this.name,
      remoteAddress: this.remoteAddress,
      get tls() {
        return connection.#tls;
      },
      get isClosed() {
        return connection._parser === false || connection._parser.isClosed;
      },
      send: (code, text, enhanced) => this.send(code, text, enhanced),
      close: () => this.close(),
      startTls: () => this.#startTls(server),
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
    return this.#end();
  }

  /** Does the same after a handshake. */
  secureAndGreet(): Promise<void> {
    const { tls } = this.#options;
    this._socket.once('close', () => this._onClose());
    if (typeof tls === 'object') void this.#secure(tls, () => this.connectionReady());
    else this._socket.destroy(); // nothing can be said to a client that expects TLS
    return this.#end();
  }

  #end(): Promise<void> {
    return new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  #startTls(server: Host): boolean {
    const { tls } = this.#options;
    if (typeof tls !== 'object') return false;
    this.#session.say('readyForTls');
    this.#sendReplies(); // in clear
    // Retired with all that it holds (CVE-2011-0411): what comes from now on has a parser of its own.
    const retired = this._parser;
    if (retired !== false) {
      this._socket.unpipe(retired);
      retired.isClosed = true;
    }
    this._parser = this._createParser();
    this.#past = this.#session.end();
    this.#session = new Session(this.#wire(server), this.#options);
    if (this.#retired !== undefined) this.#session.retire(this.#retired);
    void this.#secure(tls, () => {});
    return true;
  }

  /** Lets the session begin with `greet` when the connection is encrypted. If that fails, it is closed. */
  async #secure(terms: TlsTerms, greet: () => void): Promise<void> {
    const client = this.remoteAddress;
    this._socket.setTimeout(0); // the handshake has a limit of its own
    this._socket.on('error', () => {}); // told by the handshake
    const patienceMs = Math.min(HANDSHAKE_MS, this.#options.idleMs);
    const { socket, result } = shakeHands(this._socket, terms, patienceMs);
    this._socket = socket; // whatever is sent from here on is encrypted, and waits for the handshake
    const facts = await result;
    if ('failed' in facts) return this.#options.distrusted(client, `no TLS: ${facts.failed}`);
    if (facts.distrust !== undefined) this.#options.distrusted(client, facts.distrust);
    this.#tls = facts;
    if (this._closing || this._closed) return;
    this._setListeners(greet);
    this.#session.begin();
  }

  turnAway(why: Why): void {
    this._setListeners(() => this.#session.say(why));
  }

  /** Ends its session, and those that follow, as Session.retire does. */
  retire(why: Why): void {
    this.#retired = why;
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
    Promise.all([this.#past, this.#session.end()]).then(this.#ended);
  }

  /** Queues a reply for the end of this turn. 421 also closes the session (RFC 5321 §3.8). */
  override send(code: number, text?: string | string[] | null, enhanced?: string | false): void {
    const lines = Array.isArray(text) ? text : [text ?? ''];
    const status = typeof enhanced === 'string' ? enhanced : '';
    this.#options.replied(code, status);
    const prefix = status === '' ? '' : `${status} `;
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
