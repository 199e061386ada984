/**
 * Questions at the terminal of whoever runs a command (/dev/tty), so that input and output may be pipes. In
 * raw mode: nothing is echoed but what is shown here, and the terminal is as it was before on every way out,
 * signals among them. Ctrl-C and the end of the terminal throw `interrupted`.
 */
import { isUtf8 } from 'node:buffer';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { visible } from '../core/visible.ts';
import { CommandError } from './errors.ts';

const TERMINAL = '/dev/tty';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const KEY = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  delete: 0x7f,
  eraseLine: 0x15,
  quit: 0x1c,
} as const;
/** Characters of an answer. */
const MOST_SHOWN = 40;
const NEW_LINE = /[\r\n]/;

/** Runs `work` with the terminal, and gives it back as it was. Throws CommandError if there is none. */
export async function atTerminal<T>(work: (terminal: Terminal) => Promise<T>): Promise<T> {
  const terminal = new Terminal();
  try {
    return await work(terminal);
  } finally {
    terminal.restore();
  }
}

export class Terminal {
  readonly #input: ReadStream;
  readonly #output: number;
  #typed: Buffer = Buffer.alloc(0);
  #isOpen = true;

  constructor() {
    try {
      this.#output = openSync(TERMINAL, constants.O_WRONLY | constants.O_NOCTTY);
      this.#input = new ReadStream(openSync(TERMINAL, constants.O_RDONLY | constants.O_NOCTTY));
    } catch {
      throw new CommandError('usage', 'there is no terminal to ask at');
    }
    this.#input.setRawMode(true);
    for (const signal of SIGNALS) process.once(signal, this.#endBySignal);
    process.once('exit', this.#restore);
  }

  /**
   * Asks once. Only the last line of a question is drawn again as the answer grows: one that is longer than
   * the terminal is wide would be shown anew each time. `hidden`: nothing of the answer is shown. Throws
   * CommandError on Ctrl-C.
   */
  async ask(text: string, echo: 'hidden' | 'shown'): Promise<string> {
    const [question = '', ...above] = text.split('\n').reverse();
    for (const each of above.reverse()) writeSync(this.#output, `${visible(each)}\n`);
    writeSync(this.#output, visible(question));
    let line: Buffer = Buffer.alloc(0);
    const take = (next: Buffer) => {
      line.fill(0); // it may be a password
      line = next;
    };
    try {
      for (;;) {
        const key = await this.#next();
        if (key === undefined || key === KEY.interrupt || key === KEY.quit) throw interrupted();
        if (key === KEY.end && line.length === 0) throw interrupted();
        const character = String.fromCharCode(key);
        if (NEW_LINE.test(character)) return textOf(line);
        if (key === KEY.backspace || key === KEY.delete) take(withoutLast(line));
        else if (key === KEY.eraseLine) take(Buffer.alloc(0));
        else if (key >= 0x20) take(Buffer.concat([line, Buffer.of(key)]));
        const answer = line.toString('utf8').slice(-MOST_SHOWN);
        if (echo === 'shown') writeSync(this.#output, `\r\x1b[K${visible(question + answer)}`);
      }
    } finally {
      line.fill(0);
      if (this.#isOpen) writeSync(this.#output, '\n');
    }
  }

  /** Gives the terminal back. May be called twice. */
  restore(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const signal of SIGNALS) process.removeListener(signal, this.#endBySignal);
    process.removeListener('exit', this.#restore);
    this.#typed.fill(0);
    try {
      this.#input.setRawMode(false);
    } catch {
      // it has gone away
    }
    this.#input.destroy();
    closeSync(this.#output);
  }

  readonly #restore = () => this.restore();

  /** Ends as the signal would have ended it. */
  readonly #endBySignal = (signal: NodeJS.Signals) => {
    this.restore();
    process.kill(process.pid, signal);
  };

  /** Returns the next byte that is typed, or undefined at the end. */
  async #next(): Promise<number | undefined> {
    while (this.#typed.length === 0) {
      const bytes = this.#input.read() as Buffer | null;
      if (bytes !== null) this.#typed = bytes;
      else if (this.#input.readableEnded || this.#input.destroyed) return undefined;
      else await this.#moreInput();
    }
    const key = this.#typed[0];
    this.#typed = this.#typed.subarray(1);
    return key;
  }

  #moreInput(): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        for (const event of ['readable', 'end', 'close', 'error']) this.#input.removeListener(event, go);
        resolve();
      };
      for (const event of ['readable', 'end', 'close', 'error']) this.#input.on(event, go);
    });
  }
}

function textOf(line: Buffer): string {
  if (isUtf8(line)) return line.toString('utf8');
  throw new CommandError('data', 'what was typed is no text in UTF-8: is the terminal set to it?');
}

function interrupted(): CommandError {
  return new CommandError('interrupted', 'interrupted: nothing was done');
}

/** Takes the last character away, which may be several bytes of UTF-8. */
function withoutLast(line: Buffer): Buffer {
  return Buffer.from([...line.toString('utf8')].slice(0, -1).join(''));
}
