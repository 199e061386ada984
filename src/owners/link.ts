/**
 * A server's end of one connection to a writer. The writer's user can do with the writer what they like, so
 * nothing is taken from it but replies of the shape that was asked for, and nothing it says concerns anybody
 * else's mail.
 */
import { connect, type Socket } from 'node:net';
import type { Owner } from '../core/owner.ts';
import { type Frame, FrameReader, frame } from './frames.ts';
import { MOST_REPLY_BYTES, type Reply, type Request } from './protocol.ts';

export interface LinkOptions {
  /** The socket of the parent. */
  readonly path: string;
  readonly owner: Owner;
}

/** How long a writer may take to begin. */
const BEGIN_MS = 15_000;

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class WriterLink {
  /** Settles when the writer has begun, or not. */
  readonly begun: Promise<unknown>;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: () => void;
  #count = 0;
  #failure: Error | undefined;

  /** `ended` is called once, when nothing can be asked any more. */
  constructor({ path, owner }: LinkOptions, ended: () => void) {
    this.#ended = ended;
    this.#socket = connect(path);
    this.begun = new Promise((resolve, reject) => this.#pending.set(0, { resolve, reject }));
    this.begun.catch(() => {}); // told to whoever asks for something
    const late = setTimeout(() => this.#end(new Error('the writer does not begin')), BEGIN_MS).unref();
    void this.begun.finally(() => clearTimeout(late)).catch(() => {});
    const reader = new FrameReader(MOST_REPLY_BYTES);
    this.#socket.on('data', (bytes) => {
      try {
        for (const each of reader.update(bytes)) this.#take(each);
      } catch (error) {
        this.#end(error as Error);
      }
    });
    this.#socket.on('error', (error) => this.#end(new Error(`owners.socket: ${error.message}`)));
    this.#socket.on('close', () => this.#end(new Error('the writer has ended')));
    for (const piece of frame(owner)) this.#socket.write(piece);
  }

  /** Makes a call there. `bytes` are kept until the reply. Rejects with the error of the call. */
  async request(request: Request, bytes: readonly Buffer[] = []): Promise<unknown> {
    await this.begun;
    if (this.#failure !== undefined) throw this.#failure;
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.cork();
      for (const piece of frame({ id, ...request }, bytes)) this.#socket.write(piece);
      this.#socket.uncork();
    });
  }

  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  end(): void {
    this.#end(new Error('the link was ended'));
  }

  #take({ head }: Frame): void {
    const reply = head as Partial<Reply> & { readonly id: number };
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (pending === undefined) throw new Error('a reply that nobody has asked for');
    if ('result' in reply) return pending.resolve(reply.result);
    const { message, code, errno, syscall } = ('trouble' in reply && reply.trouble) || {};
    const error = Object.assign(new Error(String(message)), {
      ...(typeof code === 'string' ? { code } : {}),
      ...(typeof errno === 'number' ? { errno } : {}),
      ...(typeof syscall === 'string' ? { syscall } : {}),
    });
    pending.reject(error);
  }

  #end(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
    this.#ended();
  }
}
