/**
 * The client's side of Assuan, the protocol of gpg-agent, on a Unix socket: one command at a time, each with
 * one answer. Believes nothing: whatever is there at the other end, a command ends with an answer, or with
 * a fault that names what is wrong.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { within } from '../core/deadline.ts';

/** The agent is not there, has left, or makes no sense: no key can be asked for any more. */
export class AgentFault extends Error {}

export type Answer =
  | { readonly kind: 'ok'; readonly data: Buffer; readonly status: readonly string[] }
  /** `code`: of libgpg-error, without the source. */
  | { readonly kind: 'error'; readonly code: number; readonly text: string };

export interface Asking {
  /** What the agent may ask for in the middle of a command, by keyword. */
  readonly inquiries?: Readonly<Record<string, () => Promise<Uint8Array>>>;
  /** `for person`: somebody may have to type a passphrase or to look for a card, without a limit. */
  readonly waits?: 'for machine' | 'for person';
}

/** Bytes of a line without its end. */
const MOST_LINE = 1000;
/** Bytes that a command may be answered with, comments and all. Numbers of RSA-16384 take 8 KiB. */
const MOST_ANSWER = 64 * 1024;
const PATIENCE_MS = 30_000;
const NEW_LINE = 0x0a;

export class Assuan {
  readonly #socket: Socket;
  readonly #patienceMs: number;
  readonly #pieces: AsyncIterator<Buffer>;
  #pending: Buffer = Buffer.alloc(0);
  #left = MOST_ANSWER;

  private constructor(socket: Socket, patienceMs: number) {
    this.#socket = socket;
    this.#patienceMs = patienceMs;
    socket.on('error', () => undefined); // each is told by the read or the write that it ends
    this.#pieces = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /**
   * Connects, and waits to be greeted. `patienceMs`: for answers that nobody has to be asked for. Throws
   * AgentFault, or what the system says of the socket.
   */
  static async connect(path: string, patienceMs = PATIENCE_MS): Promise<Assuan> {
    const socket = connect(path);
    await once(socket, 'connect');
    const assuan = new Assuan(socket, patienceMs);
    const greeting = await assuan.#timely(assuan.#answer({}));
    if (greeting.kind === 'ok') return assuan;
    assuan.close();
    throw new AgentFault(`gpg-agent does not let us in: ${greeting.text}`);
  }

  /** Ends the connection. A command that is under way fails. */
  close(): void {
    this.#socket.destroy();
  }

  /** Asks, and resolves to the answer. Throws AgentFault. */
  async command(line: string, asking: Asking = {}): Promise<Answer> {
    if (this.#pending.length > 0) throw this.#nonsense(); // an answer to nothing
    this.#left = MOST_ANSWER;
    this.#send(Buffer.from(`${line}\n`));
    const answer = this.#answer(asking.inquiries ?? {});
    return asking.waits === 'for person' ? answer : this.#timely(answer);
  }

  /** Waits no longer than a machine needs. */
  async #timely<T>(coming: Promise<T>): Promise<T> {
    const come = await within(coming, this.#patienceMs);
    if (come !== 'late') return come;
    this.close();
    throw new AgentFault(`gpg-agent does not answer within ${this.#patienceMs / 1000} s`);
  }

  async #answer(inquiries: Asking['inquiries'] & object): Promise<Answer> {
    const data: Buffer[] = [];
    const status: string[] = [];
    let untold: unknown;
    for (;;) {
      const line = await this.#line();
      const text = line.toString();
      const [, keyword = '', rest = ''] = /^(\S+)(?: (.*))?$/s.exec(text) ?? [];
      if (untold !== undefined && ['OK', 'ERR'].includes(keyword)) throw untold;
      if (keyword === 'OK') return { kind: 'ok', data: Buffer.concat(data), status };
      if (keyword === 'ERR') return this.#error(rest);
      if (keyword === 'S') status.push(rest);
      else if (keyword === 'D') data.push(decoded(line.subarray('D '.length)));
      else if (keyword === 'INQUIRE') untold ??= await this.#inform(rest, inquiries);
      else if (keyword !== '' && !keyword.startsWith('#')) throw this.#nonsense();
    }
  }

  #error(rest: string): Answer {
    const [, number, text = ''] = /^(\d{1,10})(?: (.*))?$/.exec(rest) ?? [];
    if (number === undefined) throw this.#nonsense();
    return { kind: 'error', code: Number(number) % 65_536, text: text.replace(/ <[^<>]*>$/, '') };
  }

  /** Gives the agent what it asks for. Resolves to why that failed: then the command fails, too. */
  async #inform(inquiry: string, inquiries: Asking['inquiries'] & object): Promise<unknown> {
    const keyword = inquiry.split(' ', 1)[0] ?? '';
    const tell = Object.hasOwn(inquiries, keyword) ? inquiries[keyword] : undefined;
    if (tell === undefined) throw this.#nonsense();
    try {
      this.#send(encoded(await tell()));
      this.#send(Buffer.from('END\n'));
      return undefined;
    } catch (error) {
      this.#send(Buffer.from('CAN\n'));
      return error;
    }
  }

  #send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Resolves to the next line, without its end. */
  async #line(): Promise<Buffer> {
    for (;;) {
      const end = this.#pending.indexOf(NEW_LINE);
      if (end > MOST_LINE || (end === -1 && this.#pending.length > MOST_LINE + 1)) throw this.#nonsense();
      if (end !== -1) {
        const line = this.#pending.subarray(0, end);
        this.#pending = this.#pending.subarray(end + 1);
        this.#left -= end + 1;
        if (this.#left < 0) throw this.#nonsense();
        return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
      }
      const isBegun = this.#pending.length > 0; // a person may be waited for, but not the rest of a line
      const next = isBegun ? await this.#timely(this.#next()) : await this.#next();
      this.#pending = Buffer.concat([this.#pending, next]);
    }
  }

  async #next(): Promise<Buffer> {
    const next = await this.#pieces
      .next()
      .catch((): IteratorResult<Buffer> => ({ done: true, value: undefined }));
    if (next.done !== true) return next.value;
    throw new AgentFault('gpg-agent has closed the connection');
  }

  #nonsense(): AgentFault {
    this.close();
    return new AgentFault('what is at the socket of gpg-agent does not speak its protocol');
  }
}

/** Takes percent escapes away. What is no escape is left as it is. */
function decoded(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  return Buffer.from(
    text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

/** Returns data lines: what would end a line is escaped, and no escape is in two lines. */
function encoded(bytes: Uint8Array): Buffer {
  const lines: string[] = [];
  let line = 'D ';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    line += /[%\r\n]/.test(character) ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : character;
    if (line.length <= MOST_LINE - '%0A'.length) continue;
    lines.push(line);
    line = 'D ';
  }
  if (line !== 'D ') lines.push(line);
  return Buffer.from(lines.map((each) => `${each}\n`).join(''), 'latin1');
}
