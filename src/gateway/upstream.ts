/**
 * The connection to the server behind. One command goes on at a time; what comes meanwhile is given to it,
 * and else to whoever listens to the mailbox. Nobody else reads the connection.
 *
 * Literals wait until the server asks for them. Sent unasked (LITERAL+), one that it refuses would be read as
 * commands: Dovecot says BAD to the flags of an APPEND, and goes on at the first line of the message.
 */
import type { Duplex } from 'node:stream';
import { EndedError, Input, TooLongError } from '../imap/input.ts';
import { type Response, readResponse } from '../imap/response.ts';
import type { Segments } from '../imap/values.ts';
import { Output } from './output.ts';

/** Is given each untagged response. What it does not read is skipped. */
export type Sink = (response: Response) => Promise<void>;

/** How the server behind has answered a command. */
export interface Answer {
  readonly word: 'OK' | 'NO' | 'BAD';
  /** From that word on, without the line end. */
  readonly text: string;
}

interface Waiting {
  readonly tag: string;
  readonly sink: Sink;
  /** What the sink has thrown: the command has failed, once its answer has come. */
  fault: Error | undefined;
  answered(answer: Answer): void;
  failed(error: Error): void;
  /** The server asks for what follows. */
  asked: ((response: Response) => void) | undefined;
}

export class Upstream {
  readonly #stream: Duplex;
  readonly #input: Input;
  readonly #output: Output;
  readonly #prefix: string;
  readonly #unasked: Sink;
  #waiting: Waiting | undefined;
  #commands = 0;
  #failure: Error | undefined;
  /** Resolves when nothing comes any more, with what was wrong. */
  readonly ended: Promise<Error>;

  /** `prefix` begins our tags, and no client can guess it. `unasked` gets what no command has asked for. */
  constructor(stream: Duplex, prefix: string, unasked: Sink) {
    this.#stream = stream;
    this.#input = new Input(stream);
    this.#output = new Output(stream);
    this.#prefix = prefix;
    this.#unasked = unasked;
    this.#greeted = settled<Response>();
    this.greeting = this.#greeted.promise;
    this.ended = this.#readAll();
  }

  /** The first response. Rejects if none comes. */
  readonly greeting: Promise<Response>;
  #greeted: Settled<Response> | undefined;

  /** Sends a command of ours: all but its tag. Throws EndedError. */
  command(segments: Segments, sink: Sink): Promise<Answer> {
    return this.#send(`${this.#prefix}${++this.#commands}`, segments, sink);
  }

  /** Sends a command as a client has sent it, which begins with its tag, whose answer has that tag. */
  relay(tag: string, segments: Segments, sink: Sink): Promise<Answer> {
    const [first = Buffer.alloc(0), ...rest] = segments;
    return this.#send(tag, [first.subarray(tag.length + 1), ...rest], sink);
  }

  /** Sends a command that asks for one line more, as IDLE and AUTHENTICATE do, once the server wants it. */
  async dialogue(
    tag: string | undefined,
    text: string,
    sink: Sink,
    line: (asked: Response) => Promise<Buffer>,
  ): Promise<Answer> {
    const asked = settled<Response>();
    const own = tag ?? `${this.#prefix}${++this.#commands}`;
    const answer = this.#send(own, [Buffer.from(text)], sink, asked.resolve);
    answer.catch(() => undefined); // told below
    const isAsked = await Promise.race([asked.promise.then(() => true), answer.then(() => false)]);
    if (!isAsked) return answer;
    const written = await line(await asked.promise);
    await this.#output.write(written, '\r\n');
    written.fill(0);
    return answer;
  }

  /** Why nothing comes any more, once that is so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Ends the connection at once. */
  close(): void {
    this.#stream.destroy();
  }

  async #send(
    tag: string,
    segments: Segments,
    sink: Sink,
    asked?: (response: Response) => void,
  ): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = settled<Answer>();
    const waiting: Waiting = { tag, sink, answered: resolve, failed: reject, asked, fault: undefined };
    this.#waiting = waiting;
    let isAnswered = false;
    const answer = promise.finally(() => {
      isAnswered = true;
    });
    answer.catch(() => undefined); // told below
    for (const [n, segment] of segments.entries()) {
      if (n % 2 === 1) {
        await this.#output.write(segment);
        continue;
      }
      const literal = segments[n + 1];
      const wanted = new Promise<unknown>((resolve) => {
        if (literal !== undefined) waiting.asked = resolve;
      });
      const end = literal === undefined ? '\r\n' : `{${literal.length}}\r\n`;
      await this.#output.write(n === 0 ? `${tag} ` : '', segment, end);
      if (literal !== undefined) await Promise.race([wanted, answer]);
      if (isAnswered) return answer; // refused: the literal is not wanted
    }
    return answer;
  }

  async #readAll(): Promise<Error> {
    try {
      for (;;) {
        const response = await readResponse(this.#input);
        await this.#take(response);
        await response.finish();
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new EndedError(String(error));
      this.#stream.destroy();
      this.#greeted?.reject(this.#failure);
      this.#waiting?.failed(this.#failure);
      return this.#failure;
    }
  }

  async #take(response: Response): Promise<void> {
    const waiting = this.#waiting;
    if (this.#greeted !== undefined) {
      this.#greeted.resolve(response);
      this.#greeted = undefined;
    } else if (response.tag === '+') {
      waiting?.asked?.(response);
    } else if (response.isUntagged) {
      await this.#give(response, waiting);
    } else if (waiting !== undefined && response.tag === waiting.tag) {
      this.#waiting = undefined;
      const word = (['OK', 'NO', 'BAD'] as const).find((each) => each === response.word) ?? 'BAD';
      if (waiting.fault !== undefined) waiting.failed(waiting.fault);
      else waiting.answered({ word, text: response.text });
    } else throw new EndedError('the server behind answers what nobody has asked');
  }

  /** A fault of whoever reads an answer is one of their command, and not of the connection. */
  async #give(response: Response, waiting: Waiting | undefined): Promise<void> {
    try {
      await (waiting?.sink ?? this.#unasked)(response);
    } catch (error) {
      const isOfConnection = error instanceof EndedError || error instanceof TooLongError;
      if (isOfConnection || waiting === undefined || !response.canFinish) throw error;
      waiting.fault ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}

interface Settled<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function settled<T>(): Settled<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((first, second) => {
    resolve = first;
    reject = second;
  });
  promise.catch(() => undefined); // told by whoever waits for it
  return { promise, resolve, reject };
}
