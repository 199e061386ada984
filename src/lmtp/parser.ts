/**
 * Bytes of a session -> command lines and message data. Takes the place of both halves of
 * smtp-server's parser: an over-long line gets an answer instead of a cut connection, and
 * DATA goes through our own decoder with back-pressure to the socket. One thing at a time:
 * nothing behind a command is read before the command is answered (RFC 2920).
 */
import { DotDecoder } from './dots.ts';

/** Receives the message between 354 and the final dot. */
export interface DataSink {
  /** The next bytes are decoded only when this settles. Must not reject. */
  write(pieces: readonly Buffer[]): Promise<void>;
  /** The message has ended; what is pipelined behind it waits for this. Must not reject. */
  end(): Promise<void>;
}

export interface CommandTarget {
  readonly isClosed: boolean;
  /** A line without its end. `done` when answered; never called when the session is over. */
  command(line: Buffer, done: () => void): void;
  /** `done` when answered, as with a command. */
  lineTooLong(done: () => void): void;
}

/** RFC 5321 §4.5.3.1.4 asks for 512 octets and more for extensions. */
export const MAX_LINE_BYTES = 4096;
// commands answered in one go before other connections get their turn
const MAX_RUN = 100;
const LF = 0x0a;
const CR = 0x0d;

export class SessionParser {
  readonly #target: CommandTarget;
  #line = Buffer.alloc(0);
  #skipping = false; // the rest of a line that was too long
  #data: { decoder: DotDecoder; sink: DataSink } | undefined;
  #run = 0;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /** From the next byte on, message data until the final dot. */
  startData(sink: DataSink): void {
    this.#data = { decoder: new DotDecoder(), sink };
  }

  /** Takes bytes; settles when all of them are dealt with. */
  async take(chunk: Buffer): Promise<void> {
    let rest: Buffer | undefined = chunk;
    while (rest !== undefined && rest.length > 0 && !this.#target.isClosed) {
      rest = this.#data === undefined ? await this.#takeLine(rest) : await this.#takeData(rest, this.#data);
    }
  }

  async #takeData(chunk: Buffer, { decoder, sink }: { decoder: DotDecoder; sink: DataSink }) {
    const { pieces, rest } = decoder.update(chunk);
    if (pieces.length > 0) await sink.write(pieces);
    // who closed the session meanwhile has given the message up: it must not end as if it were whole
    if (rest === undefined || this.#target.isClosed) return undefined;
    this.#data = undefined;
    await sink.end();
    return rest;
  }

  async #takeLine(chunk: Buffer): Promise<Buffer | undefined> {
    const lf = chunk.indexOf(LF);
    const part = lf === -1 ? chunk : chunk.subarray(0, lf);
    if (this.#line.length + part.length > MAX_LINE_BYTES) this.#skipping = true;
    this.#line = this.#skipping ? Buffer.alloc(0) : Buffer.concat([this.#line, part]);
    if (lf === -1) return undefined;
    const line = this.#line.at(-1) === CR ? this.#line.subarray(0, -1) : this.#line;
    this.#line = Buffer.alloc(0);
    if (this.#skipping) {
      this.#skipping = false;
      await new Promise<void>((resolve) => this.#target.lineTooLong(resolve));
    } else {
      await new Promise<void>((resolve) => this.#target.command(line, resolve));
    }
    if (++this.#run % MAX_RUN === 0) await new Promise((resolve) => setImmediate(resolve));
    return chunk.subarray(lf + 1);
  }
}
