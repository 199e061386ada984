/** Reads the replies of a next hop (RFC 5321 §4.2.1), one after the other, each with a limit of time. */
import { performance } from 'node:perf_hooks';

export interface HopReply {
  readonly code: number;
  /** The status code of RFC 3463; '' if there was none. */
  readonly status: string;
  /** All of it, in one line: for the log. */
  readonly text: string;
}

/** The connection is of no use any more: closed, silent for too long, or no LMTP. */
export class LostError extends Error {}

const STATUS = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/;
/** A reply that is longer makes no sense. */
const MOST_BYTES = 16 * 1024;

export class ReplyReader {
  #rest = ''; // of a line
  #lines: string[] = []; // of a reply
  #lost: LostError | undefined;
  readonly #ready: HopReply[] = [];
  #wake: () => void = () => {};

  /** Takes bytes as they come. */
  feed(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#take(line.replace(/\r$/, ''));
    const held = this.#lines.reduce((sum, { length }) => sum + length, this.#rest.length);
    if (held > MOST_BYTES || this.#ready.length > 10) this.lose('it says more than LMTP has to say');
    this.#wake();
  }

  #take(line: string): void {
    const [, code, more] = /^([2345]\d\d)(?:([ -]).*)?$/.exec(line) ?? [];
    if (code === undefined) return this.lose(`it does not speak LMTP: ${line.slice(0, 100)}`);
    this.#lines.push(line.slice(4));
    if (more === '-') return;
    // Cyrus 3.6 has it in the last line alone
    const [status = ''] = this.#lines.flatMap((each) => STATUS.exec(each) ?? []);
    this.#ready.push({ code: Number(code), status, text: `${code} ${this.#lines.join(' / ')}` });
    this.#lines = [];
  }

  /** Nothing comes any more. Only the first reason counts. */
  lose(why: string): void {
    this.#lost ??= new LostError(why);
    this.#wake();
  }

  /** What came and was not asked for: a whole reply, or the start of one. */
  get isAhead(): boolean {
    return this.#ready.length > 0 || this.#lines.length > 0 || this.#rest !== '';
  }

  /** Returns the next reply if it is there, without waiting. Throws LostError. */
  peek(): HopReply | undefined {
    if (this.#ready.length === 0 && this.#lost !== undefined) throw this.#lost;
    return this.#ready[0];
  }

  /** Throws LostError. */
  async next(ms: number): Promise<HopReply> {
    const deadline = performance.now() + ms;
    for (let reply = this.peek(); ; reply = this.peek()) {
      if (reply !== undefined) {
        this.#ready.shift();
        return reply;
      }
      if (performance.now() >= deadline) this.lose(`no reply within ${Math.round(ms / 1000)} s`);
      else await this.#wait(deadline - performance.now());
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
