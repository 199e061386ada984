/**
 * Turns the bytes of a session into command lines and message data. Replaces both halves of smtp-server's
 * parser: an over-long line gets an answer instead of a cut connection, and DATA goes through our own
 * decoder with back-pressure to the socket (D4a). Nothing after a command is looked at before the command
 * has been answered (RFC 2920). Knows no verb and no reply.
 */
import { DotDecoder } from './dots.ts';

/** Receives a message between 354 and the final dot. */
export interface DataSink {
  /** Takes message bytes; the next ones are decoded when this has settled. Must not reject. */
  write(pieces: readonly Buffer[]): Promise<void>;
  /** The message has ended; commands pipelined after it wait until this has settled. Must not reject. */
  end(): Promise<void>;
}

export interface CommandTarget {
  /** The session is over: nothing more is dispatched. */
  readonly isClosed: boolean;
  /** Answers a line, given without its line end. Calls `done` after that, unless the session has ended. */
  command(line: Buffer, done: () => void): void;
  /** Answers a line that was too long; `done` as with a command. */
  lineTooLong(done: () => void): void;
}

/** RFC 5321 §4.5.3.1.4 asks for 512 octets, and extensions add to them. */
export const MAX_LINE_BYTES = 4096;
/** After this many commands in a row, other connections get their turn. */
const MAX_RUN = 100;
const LF = 0x0a;
const CR = 0x0d;

export class SessionParser {
  readonly #target: CommandTarget;
  #line = Buffer.alloc(0); // the start of a line whose end has not arrived
  #skipping = false; // the line was too long: its rest is dropped
  #data: { decoder: DotDecoder; sink: DataSink } | undefined;
  #run = 0;

  constructor(target: CommandTarget) {
    this.#target = target;
  }

  /** Takes what follows, up to the final dot, as message data. */
  startData(sink: DataSink): void {
    this.#data = { decoder: new DotDecoder(), sink };
  }

  /** Takes bytes as they arrive. Settles when all have been dealt with, and must not be called before. */
  async take(chunk: Buffer): Promise<void> {
    let rest: Buffer | undefined = chunk;
    while (rest !== undefined && rest.length > 0 && !this.#target.isClosed) {
      rest = this.#data === undefined ? await this.#takeLine(rest) : await this.#takeData(rest, this.#data);
    }
  }

  async #takeData(chunk: Buffer, { decoder, sink }: { decoder: DotDecoder; sink: DataSink }) {
    const { pieces, rest } = decoder.update(chunk);
    if (pieces.length > 0) await sink.write(pieces);
    // A session that was closed meanwhile has given up its message: it must not end as if it were whole.
    if (rest === undefined || this.#target.isClosed) return undefined;
    this.#data = undefined;
    await sink.end();
    return rest;
  }

  /** Returns what is left after the line, or undefined when the chunk is used up. */
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

/** Returns what follows `MAIL FROM:` or `RCPT TO:`, or undefined if the line begins with something else. */
export function argumentOf(line: Buffer, prefix: string): Buffer | undefined {
  const head = line.toString('latin1', 0, prefix.length).toUpperCase();
  return head === prefix ? line.subarray(prefix.length) : undefined;
}
