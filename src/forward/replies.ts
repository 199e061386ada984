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
/** Nothing is asked for before so many replies have come. */
const MOST_READY = 10;
const TOO_MUCH = 'it says more than LMTP has to say';

export class ReplyReader {
  readonly #onWrong: () => void;
  #rest = ''; // of a line
  #code = 0; // of a reply whose last line has not come
  #lines: string[] = []; // of it
  #linesLength = 0;
  #lost: LostError | undefined;
  readonly #ready: HopReply[] = [];
  #wake: () => void = () => {};

  /** `onWrong` is called once it is known that nothing more is to be read. */
  constructor(onWrong: () => void) {
    this.#onWrong = onWrong;
  }

  /** Takes bytes as they come. */
  feed(bytes: Buffer): void {
    if (this.isLost) return;
    const lines = (this.#rest + bytes.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (this.isLost) return;
      this.#take(line.replace(/\r$/, ''));
    }
    if (this.#linesLength + this.#rest.length > MOST_BYTES) this.lose(TOO_MUCH);
    this.#wake();
  }

  #take(line: string): void {
    const [, code, more] = /^([2345]\d\d)(?:([ -]).*)?$/.exec(line) ?? [];
    if (code === undefined) return this.lose(`it does not speak LMTP: ${line.slice(0, 100)}`);
    // RFC 5321 §4.2.1: a reply that is yes and no at once is neither
    if (this.#lines.length > 0 && this.#code !== Number(code))
      return this.lose(`its reply has two codes: ${this.#code} and ${line.slice(0, 100)}`);
    this.#code = Number(code);
    this.#lines.push(line.slice(4));
    this.#linesLength += line.length + 1;
    if (this.#linesLength > MOST_BYTES || this.#ready.length >= MOST_READY) return this.lose(TOO_MUCH);
    if (more === '-') return;
    // Cyrus 3.6 has it in the last line alone
    const [status = ''] = this.#lines.flatMap((each) => STATUS.exec(each) ?? []);
    this.#ready.push({ code: this.#code, status, text: `${code} ${this.#lines.join(' / ')}` });
    this.#lines = [];
    this.#linesLength = 0;
  }

  /** What came makes no sense, or nothing did in time: what is ready is not believed either. */
  lose(why: string): void {
    this.#ready.length = 0;
    this.end(why);
    this.#onWrong();
  }

  /** Nothing comes any more; what came is good. Only the first reason counts. */
  end(why: string): void {
    this.#lost ??= new LostError(why);
    this.#wake();
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
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
