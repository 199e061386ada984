/**
 * A server's end of the connection to a writer. The writer's user can do with the writer what they like, so
 * nothing is taken from it but short replies of the shape that was asked for, in time, and nothing it says
 * concerns anybody else's mail.
 */
import { connect, type Socket } from 'node:net';
import type { Owner } from '../core/owner.ts';
import { type Frame, FrameReader, frame } from './frames.ts';
import { MOST_REPLY_BYTES, type Reply, type Request, troubleOf } from './protocol.ts';

export interface LinkOptions {
  /** The socket of the parent. */
  readonly path: string;
  readonly owner: Owner;
  /** How long a reply may take, until it is whole. After that nobody waits for it any more. */
  readonly replyMs: number;
}

/** How long a writer may take to begin. */
const BEGIN_MS = 15_000;
/** How long a writer is kept that is not needed: it takes memory, and 50 ms of a processor to begin. */
const IDLE_MS = 8000;

interface Pending {
  readonly late: NodeJS.Timeout;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class WriterLink {
  /** Settles when the writer has begun, or not. */
  readonly begun: Promise<unknown>;
  /** Resolves, to the reason, when nothing can be asked any more. */
  readonly ended: Promise<Error>;
  /** Paths in tmp/ that the writer would remove if it ended. */
  readonly unfinished = new Set<string>();
  readonly #socket: Socket;
  readonly #replyMs: number;
  readonly #reader = new FrameReader(MOST_REPLY_BYTES);
  readonly #pending = new Map<number, Pending>();
  readonly #idle: NodeJS.Timeout;
  #tellEnded: (reason: Error) => void = () => {};
  #count = 0;
  #failure: Error | undefined;

  constructor({ path, owner, replyMs }: LinkOptions) {
    this.#replyMs = replyMs;
    this.#socket = connect(path);
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    this.begun = this.#expect(0, BEGIN_MS, 'the writer does not begin');
    this.begun.catch(() => {}); // told to whoever asks for something
    this.#idle = setTimeout(() => this.#endIfIdle(), IDLE_MS).unref();
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#end(new Error(`owners.socket: ${error.message}`)));
    this.#socket.on('close', () => this.#end(new Error('the writer has ended')));
    for (const piece of frame(owner)) this.#socket.write(piece);
  }

  /** Makes a call there. `bytes` are kept until the reply. Rejects with the error of the call. */
  async request(request: Request, bytes: readonly Buffer[] = []): Promise<unknown> {
    await this.begun;
    if (this.#failure !== undefined) throw this.#failure;
    const id = ++this.#count;
    const reply = this.#expect(id, this.#replyMs, 'the writer does not answer');
    this.#idle.refresh();
    this.#socket.cork();
    for (const piece of frame({ id, ...request }, bytes)) this.#socket.write(piece);
    this.#socket.uncork();
    return reply;
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  end(): void {
    this.#end(new Error('the link was ended'));
  }

  #expect(id: number, ms: number, otherwise: string): Promise<unknown> {
    const late = setTimeout(() => this.#end(new Error(otherwise)), ms).unref();
    return new Promise((resolve, reject) => this.#pending.set(id, { late, resolve, reject }));
  }

  #endIfIdle(): void {
    if (this.#pending.size === 0 && this.unfinished.size === 0) this.end();
    else this.#idle.refresh();
  }

  #read(bytes: Buffer): void {
    try {
      for (const each of this.#reader.update(bytes)) this.#take(each);
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #take({ head }: Frame): void {
    const reply = (head ?? {}) as Partial<Reply> & { readonly id?: unknown };
    const pending = this.#pending.get(Number(reply.id));
    if (pending === undefined) throw new Error('a reply that nobody has asked for');
    const trouble = 'trouble' in reply ? troubleOf(reply.trouble) : undefined;
    if (trouble === undefined && !('result' in reply)) throw new Error('neither a result nor an error');
    this.#pending.delete(Number(reply.id));
    clearTimeout(pending.late);
    if (trouble === undefined) pending.resolve('result' in reply ? reply.result : undefined);
    else pending.reject(Object.assign(new Error(trouble.message), trouble));
  }

  #end(reason: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    clearTimeout(this.#idle);
    this.#socket.destroy();
    for (const { late, reject } of this.#pending.values()) {
      clearTimeout(late);
      reject(reason);
    }
    this.#pending.clear();
    this.#tellEnded(reason);
  }
}

/** The link to the writer of one owner, for all who make calls of theirs. */
export class CurrentLink {
  readonly #options: LinkOptions;
  #link: WriterLink | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Returns the one that there is, or begins another. */
  get(): WriterLink {
    if (this.#link === undefined || this.#link.hasEnded) this.#link = new WriterLink(this.#options);
    return this.#link;
  }

  /** A file in tmp/ is in its place, or gone, or left to the writer. */
  finished(path: string): void {
    this.#link?.unfinished.delete(path);
  }

  end(): void {
    this.#link?.end();
  }
}
