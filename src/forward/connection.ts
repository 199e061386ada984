/**
 * One connection to a next hop, from its greeting to QUIT: greeted with LHLO; then lines are said and replies
 * read. Knows nothing of messages. Whatever is wrong with it is a LostError.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { releaseMemory } from '../core/releasememory.ts';
import { type HopReply, LostError, ReplyReader } from './replies.ts';

/** What the next hop has said of itself after LHLO. */
export interface Offers {
  readonly pipelining: boolean;
  readonly eightBit: boolean;
  readonly smtpUtf8: boolean;
  /** SIZE: the largest message, 0 if there is no fixed limit; undefined: not offered (RFC 1870 §4). */
  readonly size: number | undefined;
}

/** How long to be without a reply, or without a byte taken. */
export const SILENCE_MS = 60_000;
/** Bytes on their way, before whoever sends is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;

export function expectGood(reply: HopReply): HopReply {
  if (!isGood(reply)) throw new LostError(reply.text);
  return reply;
}

export function isGood({ code }: HopReply): boolean {
  return code >= 200 && code < 300;
}

export class HopConnection {
  readonly #socket: Socket;
  readonly #replies = new ReplyReader(() => this.#socket.destroy());
  readonly #feed = (bytes: Buffer) => {
    this.#replies.feed(bytes);
    this.#whenSaid();
    if (this.#isIdle) this.#whenGone();
  };
  #whenSaid: () => void = () => {};
  #isIdle = false;
  #whenGone: () => void = () => {};
  offers: Offers = { pipelining: false, eightBit: false, smtpUtf8: false, size: undefined };
  offersStartTls = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', this.#feed);
    socket.on('error', ({ message }) => this.#replies.end(message));
    socket.on('end', () => this.#replies.end('it closed the connection'));
    socket.on('close', () => {
      this.#replies.end('it closed the connection');
      if (this.#isIdle) this.#whenGone();
    });
  }

  /** Says LHLO. */
  async greet(host: string): Promise<void> {
    const { text } = expectGood(await this.say(`LHLO ${host}`));
    const words = new Map(
      text.split(' / ').map((line) => [line.split(' ', 1)[0]?.toUpperCase() ?? '', line]),
    );
    const [, size] = /^SIZE(?: (\d{1,15}))?$/i.exec(words.get('SIZE') ?? '') ?? [];
    this.offers = {
      pipelining: words.has('PIPELINING'),
      eightBit: words.has('8BITMIME'),
      smtpUtf8: words.has('SMTPUTF8'),
      size: words.has('SIZE') ? Number(size ?? 0) : undefined,
    };
    this.offersStartTls = words.has('STARTTLS');
  }

  async say(line: string): Promise<HopReply> {
    this.write(`${line}\r\n`);
    return this.reply(SILENCE_MS);
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  reply(ms: number): Promise<HopReply> {
    return this.#replies.next(ms);
  }

  /** Says what has come although nothing was asked for, such as 421. Throws LostError if it is closed. */
  get early(): HopReply | undefined {
    return this.#replies.peek();
  }

  /**
   * Sends bytes that nobody else has, together. A promise: wait for it before sending more. It resolves, too,
   * when something is said meanwhile: see `early`.
   */
  send(pieces: readonly Buffer[]): Promise<void> | undefined {
    this.#socket.cork();
    for (const bytes of pieces)
      this.#socket.write(bytes, (error) => {
        if (!error) releaseMemory(bytes);
      });
    this.#socket.uncork();
    return this.#socket.writableLength < HIGH_WATER_BYTES ? undefined : this.#drained();
  }

  #drained(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const done = (error?: Error) => {
        clearTimeout(timer);
        socket.off('drain', onDrain).off('close', onClose);
        this.#whenSaid = () => {};
        if (error === undefined) resolve();
        else reject(error);
      };
      const onDrain = () => done();
      const onClose = () => done(new LostError('it closed the connection'));
      const timer = setTimeout(
        () => done(new LostError(`it takes no bytes for ${SILENCE_MS / 1000} s`)),
        SILENCE_MS,
      );
      socket.on('drain', onDrain).on('close', onClose);
      this.#whenSaid = onDrain;
    });
  }

  /** Between two messages: `whenGone` is called once it is of no use any more. Does not keep the process. */
  rest(whenGone: () => void): void {
    this.#isIdle = true;
    this.#whenGone = whenGone;
    this.#socket.unref();
    if (!this.isUsable) whenGone();
  }

  wakeUp(): void {
    this.#isIdle = false;
    this.#socket.ref();
  }

  /** It is open, and has said nothing that was not asked for. */
  get isUsable(): boolean {
    const { destroyed, readable } = this.#socket;
    return !destroyed && readable && !this.#replies.isLost && !this.#replies.isAhead;
  }

  /** Tells whether all that was said had left this process when a reply came. To be asked at once. */
  async hasSentAll(): Promise<boolean> {
    const socket = this.#socket;
    // TLS is told of it in the next turn, which the reply may be before
    for (let turns = 0; turns < 2 && socket.writableLength > 0 && socket instanceof TLSSocket; turns++)
      await nextTurn();
    return socket.writableLength === 0;
  }

  /** Gives its socket to TLS. What came before that is not believed (RFC 3207 §6). */
  handOver(): Socket {
    if (this.#replies.isAhead) throw new LostError('it goes on in clear after STARTTLS');
    this.#socket.off('data', this.#feed);
    return this.#socket;
  }

  /** Leaves politely. */
  close(): void {
    this.#isIdle = false;
    this.#socket.unref();
    this.#socket.end('QUIT\r\n');
    const { destroy } = this;
    setTimeout(() => destroy.call(this), 1000).unref();
  }

  /** Leaves at once: a message without its end is none (RFC 5321 §4.1.1.4). */
  destroy(): void {
    this.#isIdle = false;
    this.#socket.destroy();
  }
}

/** Milliseconds since `start`, a reading of performance.now(), as seconds. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
