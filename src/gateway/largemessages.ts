/**
 * Opens large messages in a thread, so that the other sessions of their owner go on meanwhile: one at a time,
 * piece by piece as it comes, in a thread that lasts a little longer than that. The thread is told the
 * session key of a message, never the secret key. If it ends, the message does not open.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { NotOpenedError, type Opener } from '../keys/opening.ts';
import { type MessageView, viewOf } from '../view/view.ts';
import type { FromThread, ToThread } from './openthread.ts';
import type { Metadata } from './shown.ts';

/** Opening less takes a few milliseconds, about as long as telling a thread of it. */
export const LARGE_BYTES = 1024 * 1024;
const IDLE_MS = 10_000;
/** libuv reads up to 2 MB in a row from a server that is fast. Others have a turn after less. */
const TURN_BYTES = 256 * 1024;

export interface OpenedMessage {
  readonly view: MessageView;
  readonly metadata: Metadata;
}

export class LargeMessages {
  #thread: Thread | undefined;
  #idle: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * Reads all pieces in any case. Throws what they throw, NotOpenedError, or why the thread has ended; then
   * the pieces have been read.
   */
  open(pieces: AsyncIterable<Buffer>, opener: Opener): Promise<OpenedMessage> {
    const opened = this.#turn.then(() => this.#open(pieces, opener));
    this.#turn = opened.catch(() => undefined);
    return opened;
  }

  /** Ends the thread, if there is one. */
  close(): void {
    this.#thread?.end();
  }

  async #open(pieces: AsyncIterable<Buffer>, opener: Opener): Promise<OpenedMessage> {
    clearTimeout(this.#idle);
    if (this.#thread?.isOver !== false) this.#thread = new Thread();
    const thread = this.#thread;
    const opened = thread.open(opener);
    opened.catch(() => undefined); // told below
    try {
      let sinceTurn = 0;
      for await (const piece of pieces) {
        thread.take(piece);
        sinceTurn += piece.length;
        if (sinceTurn < TURN_BYTES) continue;
        sinceTurn = 0;
        await turn();
      }
    } catch (error) {
      thread.end(); // it waits for what does not come
      throw error;
    }
    thread.tell('whole');
    try {
      return await opened;
    } finally {
      this.#idle = setTimeout(() => thread.end(), IDLE_MS).unref();
    }
  }
}

class Thread {
  readonly #worker = new Worker(new URL('./openthread.js', import.meta.url));
  #answer: { resolve(opened: OpenedMessage): void; reject(error: unknown): void } | undefined;
  #opener: Opener | undefined;
  /** Why no session key was found. */
  #noKey: unknown;
  isOver = false;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', (message: FromThread) => void this.#hear(message));
    for (const event of ['error', 'exit'] as const)
      this.#worker.on(event, (reason) => this.#over(reason instanceof Error ? reason : undefined));
  }

  open(opener: Opener): Promise<OpenedMessage> {
    this.#opener = opener;
    this.#noKey = undefined;
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
    });
  }

  /** Gives a piece away, and a copy of one that shares its memory with the next answer. */
  take(piece: Buffer): void {
    if (this.isOver) return;
    const { buffer } = piece;
    const isAlone = buffer.byteLength === piece.length && piece.length > Buffer.poolSize;
    const own = isAlone && buffer instanceof ArrayBuffer ? piece : Buffer.from(new Uint8Array(piece).buffer);
    this.#worker.postMessage({ piece: own } satisfies ToThread, [own.buffer as ArrayBuffer]);
  }

  tell(message: ToThread): void {
    if (!this.isOver) this.#worker.postMessage(message);
  }

  end(): void {
    this.#over();
    void this.#worker.terminate();
  }

  async #hear(message: FromThread): Promise<void> {
    if ('sealed' in message) {
      await this.#findKey(message.sealed.map(asBuffer));
    } else if ('failed' in message) {
      const { failed, isNotOpened } = message;
      this.#answer?.reject(this.#noKey ?? (isNotOpened ? new NotOpenedError(failed) : new Error(failed)));
    } else {
      const { bytes, parts, metadata } = message.opened;
      const { envelope, bodyStructure, body, header } = metadata;
      this.#answer?.resolve({
        view: viewOf(asBuffer(bytes), parts),
        metadata: {
          size: metadata.size,
          ...{ envelope: asBuffer(envelope), bodyStructure: asBuffer(bodyStructure) },
          ...{ body: asBuffer(body), header: asBuffer(header) },
        },
      });
    }
  }

  async #findKey(sealed: readonly Buffer[]): Promise<void> {
    try {
      const key = await this.#opener?.sessionKeyOf(sealed);
      if (key === undefined) return;
      this.tell({ key });
      key.key.fill(0);
    } catch (error) {
      this.#noKey = error;
      this.tell({ noKey: String(error) });
    }
  }

  #over(reason: Error = new Error('the thread that opens large messages has ended')): void {
    this.isOver = true;
    this.#answer?.reject(reason);
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
